using Monosemantic.Runtime;
using static TorchSharp.torch;

namespace Monosemantic.Metrics.Synthetic;

/// <summary>The truth behind synthetic data: directions, how often and how strongly each fires, and what it depends on.</summary>
/// <remarks>Follows SAELens' synthetic models (SynthSAEBench). The random numbers are our own: a seed makes the same law, not the same tensors.</remarks>
public sealed class SyntheticModel
{
    private const string ConfigName = "synthetic_model_config.json", TensorsName = "synthetic_model.safetensors";

    private SyntheticModel(SyntheticConfig config) => Config = config;

    /// <summary>What it was made from.</summary>
    public SyntheticConfig Config { get; }

    /// <summary>Directions of length 1 [n, d], row-major.</summary>
    public required float[] Directions { get; init; }

    /// <summary>The constant vector [d].</summary>
    public required float[] Bias { get; init; }

    /// <summary>Probability of each feature before its parent gates it, compensated where asked [n].</summary>
    public required double[] Probabilities { get; init; }

    /// <summary>Mean activation of each feature where it fires [n].</summary>
    public required double[] Means { get; init; }

    /// <summary>Standard deviation of that activation [n].</summary>
    public required double[] Deviations { get; init; }

    /// <summary>Factor A of the correlation [n, rank]; empty for independent firing.</summary>
    public required float[] Factor { get; init; }

    /// <summary>1 - |A_i|^2 [n]; empty for independent firing.</summary>
    public required float[] Diagonal { get; init; }

    internal FeatureTrees Trees { get; private init; } = null!;

    /// <summary>Makes a model from its settings and seed.</summary>
    /// <param name="config">The settings.</param>
    /// <param name="progress">Told while directions are pushed apart.</param>
    /// <param name="cancellation">Stops between steps of that.</param>
    /// <exception cref="UserErrorException">A setting makes no sense.</exception>
    public static SyntheticModel Create(SyntheticConfig config, IProgress<ProgressReport>? progress = null, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(config);
        config.Check("the settings");
        (float[] directions, float[] bias) = FeatureDirections.Draw(config, progress, cancellation);
        FeatureTrees trees = FeatureTrees.Build(config.NumFeatures, config.Hierarchy, config.Seed + 3);
        double[] probabilities = FeatureLaws.Probabilities(config.FiringProbability, config.NumFeatures, config.Seed);
        (float[] factor, float[] diagonal) = FeatureLaws.Correlation(config.Correlation, config.NumFeatures, config.Seed + 4);
        return new SyntheticModel(config)
        {
            Directions = directions,
            Bias = bias,
            Probabilities = config.Hierarchy is { CompensateProbabilities: true } ? trees.Compensated(probabilities) : probabilities,
            Means = FeatureLaws.Magnitudes(config.MeanFiringMagnitudes, config.NumFeatures, config.Seed + 2),
            Deviations = FeatureLaws.Magnitudes(config.StdFiringMagnitudes, config.NumFeatures, config.Seed + 1),
            Factor = factor,
            Diagonal = diagonal,
            Trees = trees,
        };
    }

    /// <summary>Writes config and tensors under SAELens' names.</summary>
    /// <param name="folder">The folder, made if need be.</param>
    public void Save(string folder)
    {
        Directory.CreateDirectory(folder);
        using var scope = NewDisposeScope();
        int n = Config.NumFeatures, rank = Config.Correlation?.Rank ?? 0;
        var tensors = new Dictionary<string, Tensor>
        {
            ["feature_vectors"] = TensorMemory.FromFloats(Directions, n, Config.HiddenDim),
            ["bias"] = TensorMemory.FromFloats(Bias, Config.HiddenDim),
            ["firing_probabilities"] = tensor(Probabilities),
            ["mean_firing_magnitudes"] = tensor(Means),
            ["std_firing_magnitudes"] = tensor(Deviations),
            ["parents"] = tensor(Trees.Parents),
        };
        if (rank > 0) (tensors["correlation_factor"], tensors["correlation_diag"]) = (TensorMemory.FromFloats(Factor, n, rank), TensorMemory.FromFloats(Diagonal, n));
        SafetensorsWriter.Write(Path.Combine(folder, TensorsName), tensors);
        JsonFile.Write(Path.Combine(folder, ConfigName), Config);
    }

    /// <summary>Whether a folder holds a saved model.</summary>
    /// <param name="folder">The folder.</param>
    public static bool IsIn(string folder) => File.Exists(Path.Combine(folder, ConfigName));

    /// <summary>Makes a saved model again, from its settings, with the directions of the file.</summary>
    /// <param name="folder">The folder.</param>
    /// <exception cref="UserErrorException">A file is missing or damaged, or the tensors do not fit the settings.</exception>
    public static SyntheticModel Load(string folder)
    {
        var config = JsonFile.Read<SyntheticConfig>(Path.Combine(folder, ConfigName));
        string path = Path.Combine(folder, TensorsName);
        using var scope = NewDisposeScope();
        using SafetensorsFile file = SafetensorsFile.Open(path);
        // The descent is the only part that takes time; everything else is drawn again.
        SyntheticModel drawn = Create(config with { Orthogonalization = null });
        float[] directions = TensorMemory.Floats(file.Read("feature_vectors").to(ScalarType.Float32).contiguous()).ToArray();
        float[] bias = TensorMemory.Floats(file.Read("bias").to(ScalarType.Float32).contiguous()).ToArray();
        if (directions.Length != drawn.Directions.Length || bias.Length != config.HiddenDim) throw new UserErrorException($"{path} does not hold {config.NumFeatures} directions of width {config.HiddenDim}", "make the data again with synth");
        return new SyntheticModel(config)
        {
            Directions = directions,
            Bias = bias,
            Probabilities = drawn.Probabilities,
            Means = drawn.Means,
            Deviations = drawn.Deviations,
            Factor = drawn.Factor,
            Diagonal = drawn.Diagonal,
            Trees = drawn.Trees,
        };
    }

    /// <summary>SHA-256 of a saved model's tensors.</summary>
    /// <param name="folder">The folder.</param>
    public static string HashOf(string folder) => Hashing.OfFile(Path.Combine(folder, TensorsName));
}

/// <summary>Numbers for each feature from the laws of a config.</summary>
internal static class FeatureLaws
{
    internal static double[] Probabilities(FiringConfig config, int features, long seed)
    {
        var random = new SeededRandom(seed, stream: 1);
        double last = Math.Pow(features, -config.Exponent), span = config.MaxProb - config.MinProb;
        return [.. Enumerable.Range(0, features).Select(i => config.GeneratorName switch
        {
            FiringLaw.Constant => config.Probability,
            _ when features == 1 => config.MaxProb,
            FiringLaw.Linear => config.MaxProb - (span * i / (features - 1)),
            FiringLaw.Zipfian => config.MinProb + (span * (Math.Pow(i + 1, -config.Exponent) - last) / (1 - last)),
            _ => config.MinProb + (span * random.NextDouble()),
        })];
    }

    internal static double[] Magnitudes(MagnitudeConfig config, int features, long seed)
    {
        var random = new SeededRandom(seed);
        return [.. Enumerable.Range(0, features).Select(i =>
        {
            double share = features > 1 ? (double)i / (features - 1) : 0;
            return config.GeneratorName switch
            {
                MagnitudeLaw.Constant => config.Value,
                MagnitudeLaw.Linear => config.Start + ((config.End - config.Start) * share),
                MagnitudeLaw.Exponential => config.Start * Math.Pow(config.End / config.Start, share),
                _ => Math.Abs(config.Mean + (config.Std * random.NextNormal())),
            };
        })];
    }

    /// <summary>A with normal entries, scaled down as a whole where a row would leave its feature no chance of its own.</summary>
    internal static (float[] Factor, float[] Diagonal) Correlation(CorrelationConfig? config, int features, long seed)
    {
        if (config is null) return ([], []);
        var random = new SeededRandom(seed);
        float[] factor = new float[features * config.Rank];
        for (int i = 0; i < factor.Length; i++) factor[i] = (float)(config.CorrelationScale * random.NextNormal());
        double[] squares = [.. Enumerable.Range(0, features).Select(i => factor.AsSpan(i * config.Rank, config.Rank).ToArray().Sum(value => (double)value * value))];
        double scale = squares.Max() >= 1 ? Math.Sqrt(0.99 / squares.Max()) : 1;
        for (int i = 0; i < factor.Length; i++) factor[i] *= (float)scale;
        return (factor, [.. squares.Select(square => (float)(1 - (square * scale * scale)))]);
    }
}
