using Monosemantic.Dictionaries;
using Monosemantic.Metrics;
using static TorchSharp.torch;

namespace Monosemantic.Tests.Metrics;

public sealed class DecoderGeometryTests
{
    [Fact]
    public void Directions_at_known_angles_have_known_cosines()
    {
        using var scope = NewDisposeScope();
        float half = MathF.Sqrt(0.5f);
        // Decoder rows at 0, 45 and 180 degrees, of lengths 2, 1 and 3; the encoder's columns at 0, 90 and 180.
        Tensor decoder = tensor(new[] { 2, 0, half, half, -3, 0 }, [3, 2]), encoder = tensor(new float[] { 1, 0, 0, 1, -1, 0 }, [3, 2]).t();
        using SparseAutoencoder sae = SparseAutoencoder.FromWeights(new SaeConfig { DModel = 2, DSae = 3, K = 1 }, encoder, zeros(3), decoder, zeros(2));
        IReadOnlyDictionary<string, MetricValue> numbers = DecoderGeometry.Of(sae).Numbers();
        Assert.Equal(((2 * half) - half) / 3, numbers["max_decoder_cosine"].Value!.Value, 5);
        Assert.Equal(0, numbers["max_encoder_cosine"].Value!.Value, 5);
        Assert.Equal((1 + half + 1) / 3, numbers["encoder_decoder_cosine"].Value!.Value, 5);
        Assert.Equal(2, numbers["decoder_norm"].Value!.Value, 5);
        Assert.All(numbers.Values, number => Assert.Equal(("weights", "it depends on the weights alone"), (number.Split, number.NoInterval)));
    }

    [Fact]
    public void A_single_direction_has_no_nearest()
    {
        using var scope = NewDisposeScope();
        using SparseAutoencoder sae = SparseAutoencoder.FromWeights(new SaeConfig { DModel = 2, DSae = 1, K = 1 }, ones(2, 1), zeros(1), ones(1, 2), zeros(2));
        MetricValue nearest = DecoderGeometry.Of(sae).Numbers()["max_decoder_cosine"];
        Assert.Equal((null, "there is no pair of directions"), (nearest.Value, nearest.Undefined));
    }
}
