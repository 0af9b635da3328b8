using Monosemantic.Dictionaries;
using Monosemantic.Runtime;
using static TorchSharp.torch;

namespace Monosemantic.Tests.Dictionaries;

public sealed class SparseAutoencoderTests : IDisposable
{
    private readonly string folder = Directory.CreateTempSubdirectory("monosemantic-tests-").FullName;

    public void Dispose() => Directory.Delete(folder, recursive: true);

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Encode_and_Reconstruct_equal_the_definition(bool subtract)
    {
        using var scope = NewDisposeScope();
        using SparseAutoencoder sae = Random(dModel: 19, dSae: 700, k: 11, subtract);
        Tensor x = randn(533, 19);
        Tensor pre = (subtract ? x - sae.BDec : x).mm(sae.WEnc) + sae.BEnc;
        (Tensor values, Tensor indices) = pre.topk(11);
        Tensor expected = zeros_like(pre).scatter(1, indices, values.relu());

        using Tensor f = sae.Encode(x);
        using Tensor output = sae.Reconstruct(x);

        Assert.True(f.allclose(expected, 1e-4, 1e-5));
        Assert.True(output.allclose(expected.mm(sae.WDec) + sae.BDec, 1e-4, 1e-4));
        Assert.True(output.allclose(sae.Decode(f), 1e-4, 1e-4));
    }

    [Fact]
    public void Encode_keeps_at_most_k_features_in_ascending_order()
    {
        using SparseAutoencoder sae = Random(dModel: 8, dSae: 100, k: 4);
        using Tensor x = randn(50, 8);

        SparseCode code = sae.EncodeSparse(TensorMemory.Floats(x), 50);

        for (int row = 0; row < 50; row++)
        {
            int[] features = code.FeaturesOf(row).ToArray();
            Assert.InRange(features.Length, 0, 4);
            Assert.Equal(features.Distinct().Order(), features);
            Assert.All(code.ValuesOf(row).ToArray(), value => Assert.True(value > 0));
        }
    }

    [Fact]
    public void A_code_stays_what_it_was_when_others_are_made()
    {
        using SparseAutoencoder sae = Random(dModel: 8, dSae: 100, k: 4);
        float[] first = [.. Enumerable.Range(0, 80).Select(i => MathF.Sin(i))], second = [.. Enumerable.Range(0, 80).Select(i => MathF.Cos(3 * i))];
        SparseCode code = sae.EncodeSparse(first, 10);
        (int[] offsets, int[] features, float[] values) = ([.. code.RowOffsets], [.. code.Features], [.. code.Values]);
        SparseCode other = sae.EncodeSparse(second, 10);
        Assert.NotEqual(features, other.Features);
        Assert.Equal(offsets, code.RowOffsets);
        Assert.Equal(features, code.Features);
        Assert.Equal(values, code.Values);
        Assert.Equal(values, sae.EncodeSparse(first, 10).Values);
    }

    [Fact]
    public void No_rows_give_an_empty_code()
    {
        using SparseAutoencoder sae = Random(dModel: 8, dSae: 16, k: 4);
        using Tensor none = zeros(0, 8);
        using Tensor f = sae.Encode(none);

        Assert.Equal([0, 16], f.shape);
        Assert.Equal(0, sae.EncodeSparse([], 0).Count);
    }

    [Fact]
    public void What_was_saved_loads_bit_for_bit_and_saves_to_the_same_bytes()
    {
        using SparseAutoencoder sae = Random(dModel: 5, dSae: 12, k: 3);
        string first = Path.Combine(folder, "first"), second = Path.Combine(folder, "second");
        sae.Save(first);
        using SparseAutoencoder loaded = SparseAutoencoder.Load(first);
        loaded.Save(second);

        Assert.Equal(sae.Config, loaded.Config);
        Assert.True(sae.WDec.bytes.SequenceEqual(loaded.WDec.bytes) && sae.BDec.bytes.SequenceEqual(loaded.BDec.bytes) && sae.BEnc.bytes.SequenceEqual(loaded.BEnc.bytes));
        using Tensor before = sae.WEnc.contiguous(), after = loaded.WEnc.contiguous();
        Assert.True(before.bytes.SequenceEqual(after.bytes));
        foreach (string name in new[] { "sae.json", "sae.safetensors" }) Assert.Equal(File.ReadAllBytes(Path.Combine(first, name)), File.ReadAllBytes(Path.Combine(second, name)));
    }

    [Fact]
    public void Files_hold_the_peers_names_and_orientation()
    {
        using SparseAutoencoder sae = Random(dModel: 5, dSae: 12, k: 3);
        sae.Save(folder);
        using SafetensorsFile file = SafetensorsFile.Open(Path.Combine(folder, "sae.safetensors"));

        Assert.Equal(["W_dec", "W_enc", "b_dec", "b_enc"], file.Header.Entries.Select(entry => entry.Name));
        Assert.Equal([5, 12], file.Entry("W_enc").Shape);
        Assert.Equal([12, 5], file.Entry("W_dec").Shape);
    }

    [Fact]
    public void A_folder_that_holds_one_is_not_overwritten()
    {
        using SparseAutoencoder sae = Random(dModel: 5, dSae: 12, k: 3);
        sae.Save(folder);

        Assert.Contains("already holds", Assert.Throws<UserErrorException>(() => sae.Save(folder)).Message);
    }

    [Fact]
    public void Unfinished_damaged_and_mismatched_folders_are_refused()
    {
        Assert.Contains("holds no sae.json", Assert.Throws<UserErrorException>(() => SparseAutoencoder.Load(folder)).Message);
        using SparseAutoencoder sae = Random(dModel: 5, dSae: 12, k: 3);
        sae.Save(folder);
        string weights = Path.Combine(folder, "sae.safetensors"), manifest = Path.Combine(folder, "sae.json"), text = File.ReadAllText(manifest);
        byte[] bytes = File.ReadAllBytes(weights);

        File.WriteAllBytes(weights, bytes[..^1]);
        Assert.Throws<UserErrorException>(() => SparseAutoencoder.Load(folder));
        bytes[^1] ^= 1;
        File.WriteAllBytes(weights, bytes);
        Assert.Contains("SHA-256", Assert.Throws<UserErrorException>(() => SparseAutoencoder.Load(folder)).Message);
        bytes[^1] ^= 1;
        File.WriteAllBytes(weights, bytes);
        File.WriteAllText(manifest, text.Replace("\"d_model\": 5", "\"d_model\": 6"));
        Assert.Contains("W_enc", Assert.Throws<UserErrorException>(() => SparseAutoencoder.Load(folder)).Message);
        File.WriteAllText(manifest, text.Replace("\"k\": 3", "\"k\": 13").Replace("\"topk\"", "\"tpok\""));
        string both = Assert.Throws<UserErrorException>(() => SparseAutoencoder.Load(folder)).Message;
        Assert.Contains("k is 13; it must be 1..12", both);
        Assert.Contains("architecture is \"tpok\"", both);
    }

    [Fact]
    public void Activations_of_another_width_are_refused_with_both_shapes()
    {
        using SparseAutoencoder sae = Random(dModel: 5, dSae: 12, k: 3);
        using Tensor x = zeros(4, 6);

        Assert.Contains("x is [4, 6]; it must be [n, 5]", Assert.Throws<UserErrorException>(() => sae.Encode(x)).Message);
    }

    internal static SparseAutoencoder Random(int dModel, int dSae, int k, bool subtract = true)
    {
        using var scope = NewDisposeScope();
        using var generator = new Generator((ulong)((dModel * 1000) + dSae));
        Tensor Draw(params long[] shape) => randn(shape, generator: generator);
        return SparseAutoencoder.FromWeights(
            new() { DModel = dModel, DSae = dSae, K = k, SubtractBDec = subtract },
            Draw(dModel, dSae), Draw(dSae) * 0.1f, Draw(dSae, dModel), Draw(dModel));
    }
}
