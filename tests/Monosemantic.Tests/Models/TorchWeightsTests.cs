using System.Text.Json.Nodes;
using Monosemantic.Models;
using Monosemantic.Runtime;
using Monosemantic.Tests.Runtime;
using static TorchSharp.torch;

namespace Monosemantic.Tests.Models;

/// <summary>Weights as PyTorch saves a state dict: one file or shards, with tied weights over one storage and stored masks.</summary>
public sealed class TorchWeightsTests : IDisposable
{
    private readonly string folder = Directory.CreateTempSubdirectory("monosemantic-tests-").FullName;

    public static TheoryData<string> Families() => [.. FamilyModel.Names];

    public void Dispose() => Directory.Delete(folder, recursive: true);

    [Theory]
    [MemberData(nameof(Families))]
    public void A_state_dict_computes_what_the_same_weights_in_safetensors_do(string name)
    {
        using var family = new FamilyModel(name);
        Write(family, "pytorch_model.bin", _ => true, tied: false);
        using var model = Transformer.Load(folder);
        using Tensor expected = family.Model.Forward(family.Tokens), actual = model.Forward(family.Tokens);
        Assert.True(expected.bytes.SequenceEqual(actual.bytes));
        Assert.Equal(Hashing.OfFile(Path.Combine(folder, "pytorch_model.bin")), model.Sha256);
        Assert.Empty(model.Warnings);
    }

    [Fact]
    public void Tied_weights_over_one_storage_and_stored_masks_are_passed_over()
    {
        using var family = new FamilyModel("gpt2");
        Write(family, "pytorch_model.bin", _ => true, tied: true);
        using var model = Transformer.Load(folder);
        Assert.Equal(family.Case.Shapes.Keys.Order(), model.Named.Keys.Order());
        using Tensor expected = family.Model.Forward(family.Tokens), actual = model.Forward(family.Tokens);
        Assert.True(expected.bytes.SequenceEqual(actual.bytes));
    }

    [Fact]
    public void Shards_with_an_index_compute_what_one_file_does()
    {
        using var family = new FamilyModel("llama");
        const string First = "pytorch_model-00001-of-00002.bin", Second = "pytorch_model-00002-of-00002.bin";
        Write(family, First, key => !key.Contains(".2."), tied: false);
        Write(family, Second, key => key.Contains(".2."), tied: false);
        var map = new JsonObject(family.Case.Shapes.Keys.Select(key => KeyValuePair.Create(key, (JsonNode?)(key.Contains(".2.") ? Second : First))));
        File.WriteAllText(Path.Combine(folder, "pytorch_model.bin.index.json"), new JsonObject { ["metadata"] = new JsonObject { ["total_size"] = 5 }, ["weight_map"] = map }.ToJsonString());
        using (var model = Transformer.Load(folder))
        {
            using Tensor expected = family.Model.Forward(family.Tokens), actual = model.Forward(family.Tokens);
            Assert.True(expected.bytes.SequenceEqual(actual.bytes));
        }
        File.Delete(Path.Combine(folder, Second));
        Assert.Contains(Second, Assert.Throws<UserErrorException>(() => Transformer.Load(folder)).Message);
    }

    [Fact]
    public void A_folder_of_another_frameworks_weights_is_refused_by_their_name()
    {
        using var family = new FamilyModel("llama");
        File.WriteAllText(Path.Combine(folder, "config.json"), family.Case.Config.ToJsonString());
        File.WriteAllText(Path.Combine(folder, "flax_model.msgpack"), "");
        UserErrorException error = Assert.Throws<UserErrorException>(() => Transformer.Load(folder));
        Assert.Contains("pytorch_model.bin", error.Message);
        Assert.Contains("only flax_model.msgpack", error.Message);
    }

    // As torch.save writes an OrderedDict: data.pkl, and one entry for each storage.
    private void Write(FamilyModel family, string file, Func<string, bool> here, bool tied)
    {
        using var scope = NewDisposeScope();
        File.WriteAllText(Path.Combine(folder, "config.json"), family.Case.Config.ToJsonString());
        var program = new List<byte>([0x80, 2, .. PickleCode.Hooks(), (byte)'(']);
        var entries = new List<ZipBytes.File>();
        foreach ((string name, Tensor weight) in family.Case.Weights().Where(pair => here(pair.Key)))
        {
            string key = $"{entries.Count}";
            byte[] tensor = PickleCode.Tensor(key, weight.numel(), 0, weight.shape, weight.stride());
            program.AddRange([.. PickleCode.Text(name), .. tensor]);
            if (tied && name.EndsWith("wte.weight", StringComparison.Ordinal)) program.AddRange([.. PickleCode.Text("lm_head.weight"), .. tensor]);
            entries.Add(new($"archive/data/{key}", weight.bytes.ToArray()));
        }
        if (tied)
        {
            entries.Add(new("archive/data/mask", [1, 0, 1, 1]));
            byte[] mask = [.. PickleCode.Global("torch._utils", "_rebuild_tensor_v2"), .. PickleCode.Tuple(PickleCode.Storage("mask", 4, "ByteStorage"), PickleCode.Integer(0), PickleCode.Integers(2, 2), PickleCode.Integers(2, 1), [0x89], PickleCode.Hooks()), (byte)'R'];
            program.AddRange([.. PickleCode.Text("transformer.h.0.attn.bias"), .. mask]);
        }
        ZipBytes.Write(Path.Combine(folder, file), [new("archive/data.pkl", [.. program, (byte)'u', (byte)'.']), .. entries, new("archive/version", "3\n"u8.ToArray())]);
    }
}
