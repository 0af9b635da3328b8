namespace Monosemantic.Dictionaries;

/// <summary>Sizes of an autoencoder's arrays.</summary>
/// <param name="DIn">Width of the inputs.</param>
/// <param name="DSae">Number of features.</param>
/// <param name="DOut">Width of the outputs; that of the inputs but for a transcoder.</param>
/// <param name="Features">Vectors [d_sae] beside the encoder bias.</param>
/// <param name="Skip">Whether there is a linear map from inputs to outputs beside the features.</param>
/// <param name="Tied">Whether the decoder serves as the encoder.</param>
internal readonly record struct SaeShape(int DIn, int DSae, int DOut, int Features = 0, bool Skip = false, bool Tied = false)
{
    /// <summary>The sizes that a config asks for.</summary>
    internal static SaeShape Of(SaeConfig config)
    {
        SaeArchitecture architecture = SaeArchitecture.Of(config.Architecture);
        return new(config.DModel, config.DSae, config.Outputs, architecture.FeatureTensors.Length, config.SkipConnection, architecture.IsTied);
    }
}
