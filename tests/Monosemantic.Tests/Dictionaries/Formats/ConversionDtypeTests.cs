using System.Text.Json.Nodes;
using Monosemantic.Dictionaries.Formats;
using Monosemantic.Runtime;
using Monosemantic.Runtime.TensorFiles;
using static TorchSharp.torch;

namespace Monosemantic.Tests.Dictionaries.Formats;

/// <summary>Element types of what is written: kept in a format's own files, float32 elsewhere, and what is lost is measured.</summary>
public sealed class ConversionDtypeTests : IDisposable
{
    private static readonly string Fixtures = Path.Combine(Repository.Root, "tests", "Monosemantic.Tests", "Fixtures", "saes");

    private readonly string folder = Directory.CreateTempSubdirectory("monosemantic-tests-").FullName;

    public static TheoryData<string, string> Halves
    {
        get
        {
            var cases = new TheoryData<string, string>();
            string[] saes = ["saelens/standard/inference", "saelens/gated/inference", "saelens/jumprelu_step/inference", "saelens/topk_plain/inference", "saelens/skip_transcoder", "saelens/jumprelu_transcoder", "sparsify/topk", "sparsify/groupmax", "sparsify/skip_transcoder", "dictionary_learning/standard", "dictionary_learning/gated", "dictionary_learning/jumprelu", "dictionary_learning/topk", "dictionary_learning/batch_topk", "dictionary_learning/matryoshka_batch_topk"];
            foreach (string sae in saes) foreach (string dtype in new[] { "bfloat16", "float16" }) cases.Add(sae, dtype);
            return cases;
        }
    }

    public void Dispose() => Directory.Delete(folder, recursive: true);

    [Theory]
    [MemberData(nameof(Halves))]
    public void Half_precision_comes_back_with_the_same_bytes_straight_and_by_way_of_native(string fixture, string dtype)
    {
        string format = fixture.Split('/')[0], source = InHalf(fixture, dtype), straight = Path.Combine(folder, "straight"), native = Path.Combine(folder, "native"), back = Path.Combine(folder, "back");
        SaeConversionResult result = SaeConversion.Run(source, null, format, straight, lossy: false);
        Assert.Equal((dtype, 0.0, 0.0), (result.Dtype, result.FeatureActsError, result.ReconstructionError));
        Assert.Equal("float32", SaeConversion.Run(source, null, "native", native, lossy: false).Dtype);
        SaeConversion.Run(native, null, format, back, lossy: false);
        string weights = format switch { "saelens" => "sae_weights.safetensors", "sparsify" => "sae.safetensors", _ => "ae.pt" };
        foreach (string copy in new[] { straight, back })
        {
            Assert.Equal(File.ReadAllBytes(Path.Combine(source, weights)), File.ReadAllBytes(Path.Combine(copy, weights)));
            if (format == "saelens") Assert.Equal(dtype, (string)JsonNode.Parse(File.ReadAllText(Path.Combine(copy, "cfg.json")))!["dtype"]!);
        }
    }

    [Fact]
    public void Another_format_is_written_in_float32_unless_a_dtype_is_asked_for()
    {
        string source = InHalf("saelens/topk_plain/inference", "bfloat16"), plain = Path.Combine(folder, "plain"), half = Path.Combine(folder, "half");
        SaeConversionResult result = SaeConversion.Run(source, null, "sparsify", plain, lossy: false);
        Assert.Equal(("float32", "F32"), (result.Dtype, DtypeOf(Path.Combine(plain, "sae.safetensors"))));
        // The same digits as in the source are enough.
        result = SaeConversion.Run(source, null, "sparsify", half, lossy: false, dtype: "bf16");
        Assert.Equal(("bfloat16", 0.0, "BF16"), (result.Dtype, result.FeatureActsError, DtypeOf(Path.Combine(half, "sae.safetensors"))));
    }

    [Theory]
    [InlineData("f16", "F16", 1e-3)]
    [InlineData("bf16", "BF16", 1e-2)]
    public void Digits_that_get_lost_are_measured_and_must_be_wanted(string dtype, string stored, double most)
    {
        string source = Path.Combine(Fixtures, "saelens", "standard", "inference"), target = Path.Combine(folder, "out");
        string refused = Assert.Throws<UserErrorException>(() => SaeConversion.Run(source, null, "saelens", target, lossy: false, dtype)).Message;
        Assert.Contains("fewer digits than the weights", refused);
        Assert.Matches(@"differ by up to \dE-\d|differ by up to \d\.\dE-\d", refused);
        Assert.False(Directory.Exists(target));

        SaeConversionResult written = SaeConversion.Run(source, null, "saelens", target, lossy: true, dtype);
        Assert.InRange(written.ReconstructionError, 1e-6, most);
        Assert.Equal(stored, DtypeOf(Path.Combine(target, "sae_weights.safetensors")));
    }

    [Fact]
    public void What_was_folded_and_needs_more_digits_is_written_in_float32()
    {
        string source = InHalf("saelens/topk/training_checkpoint", "bfloat16");
        SaeConversionResult written = SaeConversion.Run(source, null, "saelens", Path.Combine(folder, "out"), lossy: false);

        Assert.Contains(written.Notes, note => note.Contains("folded", StringComparison.Ordinal));
        Assert.Equal("float32", written.Dtype);
    }

    [Fact]
    public void A_dtype_that_there_is_not_or_that_native_has_not_is_refused()
    {
        string source = Path.Combine(Fixtures, "sparsify", "topk");
        Assert.Contains("f32, f16, bf16", Assert.Throws<UserErrorException>(() => SaeConversion.Run(source, null, "sparsify", folder + "/a", lossy: true, dtype: "f8")).Message);
        Assert.Contains("f32 only", Assert.Throws<UserErrorException>(() => SaeConversion.Run(source, null, "native", folder + "/a", lossy: true, dtype: "bf16")).Message);
        Assert.Empty(Directory.EnumerateFileSystemEntries(folder));
    }

    private static string DtypeOf(string path)
    {
        using SafetensorsFile file = SafetensorsFile.Open(path);
        return Assert.Single(file.Entries.Select(entry => entry.Element.Name).Distinct());
    }

    private string InHalf(string fixture, string dtype)
    {
        using var scope = NewDisposeScope();
        ScalarType type = dtype == "float16" ? ScalarType.Float16 : ScalarType.BFloat16;
        string copy = Directory.CreateDirectory(Path.Combine(folder, "source")).FullName;
        foreach (string file in Directory.GetFiles(Path.Combine(Fixtures, fixture)).Where(file => Path.GetFileName(file) is not "expected.safetensors"))
        {
            string to = Path.Combine(copy, Path.GetFileName(file));
            using ITensorFile? tensors = file.EndsWith(".json", StringComparison.Ordinal) ? null : TensorFile.Open(file);
            Tensor Half(string name) => tensors!.Read(name) is { dtype: ScalarType.Float32 or ScalarType.Float64 } value ? value.to(type) : tensors!.Read(name);
            if (tensors is TorchFile) TorchWriter.WriteStateDict(to, tensors.Entries.Select(entry => KeyValuePair.Create(entry.Name, entry.Name is "encoder.weight" or "W_enc" ? Half(entry.Name).t().contiguous().t() : Half(entry.Name).contiguous())));
            else if (tensors is not null) SafetensorsWriter.Write(to, tensors.Entries.Select(entry => KeyValuePair.Create(entry.Name, Half(entry.Name))));
            else File.Copy(file, to);
        }
        if (!fixture.StartsWith("saelens", StringComparison.Ordinal)) return copy;
        JsonObject cfg = JsonNode.Parse(File.ReadAllText(Path.Combine(copy, "cfg.json")))!.AsObject();
        cfg["dtype"] = dtype;
        File.WriteAllText(Path.Combine(copy, "cfg.json"), cfg.ToJsonString());
        return copy;
    }
}
