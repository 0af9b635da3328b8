using System.Text.Json;
using Monosemantic.Dictionaries;
using Monosemantic.Dictionaries.Formats;
using Monosemantic.Runtime;
using Monosemantic.Runtime.TensorFiles;
using static TorchSharp.torch;

namespace Monosemantic.Tests.Dictionaries;

/// <summary>Every recorded file of the other tools is recognised, and encodes and decodes as the tool itself recorded; in every format that it can be converted to, too.</summary>
public sealed class SaeInferenceGoldenTests(ITestOutputHelper output) : IDisposable
{
    private const double Tolerance = 1e-5;

    private static readonly string[] Tools = ["saelens", "dictionary_learning", "sparsify"];

    private readonly string scratch = Directory.CreateTempSubdirectory("monosemantic-tests-").FullName;

    public void Dispose() => Directory.Delete(scratch, recursive: true);

    public static TheoryData<string, string> Files() => Rows(nameof(Inference_equals_what_the_tool_recorded));

    public static TheoryData<string, string> Conversions() => Rows(nameof(Every_conversion_that_can_be_exact_is));

    [Theory]
    [MemberData(nameof(Files))]
    public void Inference_equals_what_the_tool_recorded(string tool, string path)
    {
        using SaeImport found = SaeFormat.Load(path);

        Assert.Equal(tool, found.Format.Name);
        foreach (string note in found.Notes) output.WriteLine(note);
        CompareAll(tool, path, found.Sae);
    }

    [Theory]
    [MemberData(nameof(Conversions))]
    public void Every_conversion_that_can_be_exact_is(string tool, string path)
    {
        int written = 0;
        foreach (SaeFormat target in SaeFormat.All.Where(format => format.Writes))
        {
            string folder = Path.Combine(scratch, target.Name);
            try
            {
                SaeConversionResult result = SaeConversion.Run(path, null, target.Name, folder, lossy: false);
                output.WriteLine($"{target.Name}: feature_acts {result.FeatureActsError:E1}, reconstruction {result.ReconstructionError:E1}");
            }
            catch (UserErrorException refusal)
            {
                output.WriteLine($"{target.Name}: {refusal.Message}");
                Assert.NotEqual("native", target.Name);
                Assert.NotEqual(tool, target.Name);
                Assert.Matches("cannot hold|is not exact", refusal.Message);
                Assert.False(Directory.Exists(folder));
                continue;
            }
            written++;
            using SaeImport again = SaeFormat.Load(folder);
            Assert.Equal(target.Name, again.Format.Name);
            CompareAll(tool, path, again.Sae);
            Assert.True(SaeVerification.Of(folder).Passed);
            if (target.Name == tool) CompareFiles(path, folder, again);
        }
        Assert.True(written >= 2);
    }

    private static TheoryData<string, string> Rows(string test)
    {
        var data = new TheoryData<string, string>();
        foreach (string tool in Tools)
        {
            IEnumerable<string> folders = Repository.FixtureRoots("saes").Select(root => Path.Combine(root, tool)).Where(Directory.Exists).SelectMany(Directory.GetDirectories).Order(StringComparer.Ordinal);
            foreach (string folder in folders)
            {
                foreach (string part in new[] { "", "inference", "training_checkpoint" }.Where(part => File.Exists(Path.Combine(folder, part, tool == "dictionary_learning" ? "config.json" : "cfg.json"))))
                {
                    data.Add(new TheoryDataRow<string, string>(tool, Path.Combine(folder, part)) { TestDisplayName = $"{test}({tool}/{Path.GetFileName(folder)}{(part.Length > 0 ? "/" : "")}{part})" });
                }
            }
        }
        return data;
    }

    private static string ExpectedOf(string path) => File.Exists(Path.Combine(path, "expected.safetensors")) ? Path.Combine(path, "expected.safetensors") : Path.Combine(Path.GetDirectoryName(path)!, "expected.safetensors");

    private void CompareAll(string tool, string path, SparseAutoencoder sae)
    {
        using SafetensorsFile expected = SafetensorsFile.Open(ExpectedOf(path));
        using var scope = NewDisposeScope();
        if (tool == "sparsify")
        {
            CompareSparsify(sae, expected);
            return;
        }
        string features = expected.Contains("inference.feature_acts") ? "inference.feature_acts" : "feature_acts", reconstruction = new[] { "inference.sae_out", "inference.out", "out" }.First(expected.Contains);
        Compare(sae, expected, features, reconstruction);
        if (expected.Contains("inference.folded_feature_acts"))
        {
            using SparseAutoencoder folded = sae.FoldDecoderNorms();
            Compare(folded, expected, "inference.folded_feature_acts", "inference.folded_sae_out");
        }
        if (!expected.Contains("inference.threshold_feature_acts")) return;
        if (sae.Config.Architecture != "topk")
        {
            Compare(sae, expected, "inference.threshold_feature_acts", null);
        }
        else if (sae.Provenance.Origin?.Threshold is { } threshold)
        {
            KeyValuePair<string, Tensor>[] tensors = [.. sae.Tensors, new("threshold", full(sae.Config.DSae, (float)threshold, ScalarType.Float32))];
            using SparseAutoencoder thresholded = SparseAutoencoder.FromTensors(sae.Config with { Architecture = "jumprelu", K = 0 }, tensors);
            Compare(thresholded, expected, "inference.threshold_feature_acts", null);
        }
    }

    private void Compare(SparseAutoencoder sae, SafetensorsFile expected, string features, string? reconstruction)
    {
        Tensor x = expected.Read("x");
        GoldenTensors.AssertClose(output, features, expected.Read(features), sae.Encode(x), Tolerance);
        if (reconstruction is null) return;
        GoldenTensors.AssertClose(output, reconstruction, expected.Read(reconstruction), sae.Reconstruct(x), Tolerance);
        if (sae.WSkip is null) GoldenTensors.AssertClose(output, $"{reconstruction}, decoded densely", expected.Read(reconstruction), sae.Decode(sae.Encode(x)), Tolerance);
    }

    // With multi-TopK what is recorded is of the larger selection.
    private void CompareSparsify(SparseAutoencoder sae, SafetensorsFile expected)
    {
        Tensor x = expected.Read("x"), values = expected.Read("out.latent_acts"), indices = expected.Read("out.latent_indices");
        using SparseAutoencoder wide = SparseAutoencoder.FromTensors(sae.Config with { K = (int)values.shape[1] }, sae.Tensors);
        Tensor features = zeros(x.shape[0], sae.Config.DSae).scatter(1, indices, values);
        GoldenTensors.AssertClose(output, "out.latent_acts", features, wide.Encode(x), Tolerance);
        GoldenTensors.AssertClose(output, "out.sae_out", expected.Read("out.sae_out"), wide.Reconstruct(x), Tolerance);
    }

    // A format's own files come back as they were, where nothing had to be folded.
    private static void CompareFiles(string path, string folder, SaeImport again)
    {
        Assert.All(again.Notes, note => Assert.DoesNotContain("folded", note, StringComparison.Ordinal));
        bool same = !SaeFormat.Load(path).Notes.Any(note => note.Contains("folded", StringComparison.Ordinal) || note.Contains("checkpoint", StringComparison.Ordinal));
        switch (again.Format.Name)
        {
            case "saelens" when same:
                CompareNumbers(Path.Combine(path, "sae_weights.safetensors"), Path.Combine(folder, "sae_weights.safetensors"));
                JsonElement before = GoldenTensors.Json(path, "cfg.json"), after = GoldenTensors.Json(folder, "cfg.json");
                Assert.All(after.EnumerateObject().Where(property => property.Name != "rescale_acts_by_decoder_norm"), property => Assert.True(JsonElement.DeepEquals(property.Value, before.GetProperty(property.Name)), property.Name));
                break;
            case "sparsify":
                CompareNumbers(Path.Combine(path, "sae.safetensors"), Path.Combine(folder, "sae.safetensors"));
                Assert.Equal(File.ReadAllBytes(Path.Combine(path, "cfg.json")), File.ReadAllBytes(Path.Combine(folder, "cfg.json")));
                break;
            case "dictionary_learning":
                Assert.True(JsonElement.DeepEquals(GoldenTensors.Json(path, "config.json"), GoldenTensors.Json(folder, "config.json")));
                CompareStates(Path.Combine(path, "ae.pt"), Path.Combine(folder, "ae.pt"));
                break;
        }
    }

    // The recorded headers are spaced as the reference writer does not space them; all behind them must be the same.
    private static void CompareNumbers(string first, string second)
    {
        using SafetensorsFile before = SafetensorsFile.Open(first), after = SafetensorsFile.Open(second);
        Assert.Equal(before.Entries.Select(entry => entry.Name), after.Entries.Select(entry => entry.Name));
        Assert.Equal(File.ReadAllBytes(first)[(int)before.Header.DataStart..], File.ReadAllBytes(second)[(int)after.Header.DataStart..]);
    }

    private static void CompareStates(string first, string second)
    {
        using TorchFile before = TorchFile.Open(first), after = TorchFile.Open(second);
        using var scope = NewDisposeScope();
        Assert.Equal(before.Entries.Select(entry => entry.Name), after.Entries.Select(entry => entry.Name));
        foreach (TensorEntry entry in before.Entries)
        {
            Assert.Equal(entry.Element, after.Entry(entry.Name).Element);
            Assert.Equal(entry.Shape, after.Entry(entry.Name).Shape);
            Assert.True(before.Read(entry.Name).bytes.SequenceEqual(after.Read(entry.Name).bytes), entry.Name);
        }
    }
}
