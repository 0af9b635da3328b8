using System.Text.Json;
using Monosemantic.Dictionaries;
using Monosemantic.Dictionaries.Formats;
using Monosemantic.Runtime;

namespace Monosemantic.Tests.Dictionaries.Formats;

/// <summary>Training checkpoints in the form of SAELens, held against those that SAELens wrote.</summary>
public sealed class SaeLensCheckpointTests : IDisposable
{
    private static readonly string Fixtures = Path.Combine(Repository.Root, "tests", "Monosemantic.Tests", "Fixtures", "saes", "saelens");

    private readonly string folder = Directory.CreateTempSubdirectory("monosemantic-tests-").FullName;

    public void Dispose() => Directory.Delete(folder, recursive: true);

    [Theory]
    [InlineData("standard", true)]
    [InlineData("standard_l2norm", true)]
    [InlineData("gated", true)]
    [InlineData("jumprelu_step", true)]
    [InlineData("jumprelu_tanh", true)]
    [InlineData("topk_plain", true)]
    [InlineData("topk", false)]
    [InlineData("batchtopk", false)]
    [InlineData("matryoshka_batchtopk", false)]
    public void A_recorded_checkpoint_comes_back_by_way_of_native(string name, bool unfolded)
    {
        string source = Path.Combine(Fixtures, name, "training_checkpoint"), native = Path.Combine(folder, "native"), back = Path.Combine(folder, "back");
        SaeConversion.Run(source, null, "native", native, lossy: false);
        SaeConversionResult result = SaeConversion.Run(native, null, "saelens", back, lossy: false, training: true);
        Assert.InRange(Math.Max(result.FeatureActsError, result.ReconstructionError), 0, 1e-6);

        Assert.Contains("activation_scaler.json", result.Files);
        JsonProperty[] before = [.. GoldenTensors.Json(source, "cfg.json").EnumerateObject()], after = [.. GoldenTensors.Json(back, "cfg.json").EnumerateObject()];
        Assert.Equal(before.Select(property => property.Name), after.Select(property => property.Name));
        Assert.All(before.Zip(after), pair =>
        {
            if (pair.First.Name == "rescale_acts_by_decoder_norm") Assert.False(pair.Second.Value.GetBoolean());
            else Assert.True(JsonElement.DeepEquals(pair.First.Value, pair.Second.Value), pair.First.Name);
        });
        using SafetensorsFile theirs = SafetensorsFile.Open(Path.Combine(source, "sae_weights.safetensors")), ours = SafetensorsFile.Open(Path.Combine(back, "sae_weights.safetensors"));
        // The recorded files are not in the order of the reference writer, which puts the larger element types first.
        static IEnumerable<(string, TensorElement, string)> Described(SafetensorsFile file) => file.Entries.Select(entry => (entry.Name, entry.Element, string.Join(',', entry.Shape))).OrderBy(entry => entry.Name, StringComparer.Ordinal);
        Assert.Equal(Described(theirs), Described(ours));
        if (unfolded) Assert.Equal(File.ReadAllBytes(theirs.Path)[(int)theirs.Header.DataStart..], File.ReadAllBytes(ours.Path)[(int)ours.Header.DataStart..]);
    }

    [Fact]
    public void What_was_trained_here_becomes_a_checkpoint_with_SAELens_defaults()
    {
        using SparseAutoencoder sae = SparseAutoencoderTests.Random(dModel: 8, dSae: 40, k: 4);
        sae.Save(Path.Combine(folder, "sae"));
        SaeConversion.Run(Path.Combine(folder, "sae"), null, "saelens", Path.Combine(folder, "out"), lossy: false, training: true);
        JsonElement cfg = GoldenTensors.Json(Path.Combine(folder, "out"), "cfg.json");
        Assert.Equal(("topk", 4, 1.0, false), (cfg.GetProperty("architecture").GetString(), cfg.GetProperty("k").GetInt32(), cfg.GetProperty("aux_loss_coefficient").GetDouble(), cfg.GetProperty("rescale_acts_by_decoder_norm").GetBoolean()));
    }

    [Fact]
    public void What_SAELens_does_not_train_is_refused()
    {
        string Refusal(string fixture, string to) => Assert.Throws<UserErrorException>(() => SaeConversion.Run(Path.Combine(Fixtures, fixture), null, to, Path.Combine(folder, "out"), lossy: true, training: true)).Message;
        Assert.Contains("training checkpoint of a transcoder", Refusal("skip_transcoder", "saelens"));
        Assert.Contains("not written as a training checkpoint", Refusal("standard/inference", "sparsify"));
        Assert.Empty(Directory.EnumerateFileSystemEntries(folder));
    }
}
