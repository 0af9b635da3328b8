using Monosemantic.Models;
using Monosemantic.Models.Families;
using Monosemantic.Runtime;
using Monosemantic.Text;
using static TorchSharp.torch;

namespace Monosemantic.Tests.EndToEnd;

/// <summary>A model folder small enough to run a whole pipeline in a second: untrained weights, a tokenizer of 300 tokens.</summary>
internal static class TinyModel
{
    internal static void Write(string folder, string text, long seed = 5)
    {
        Directory.CreateDirectory(folder);
        BytePairTrainer.Train([text], 300).Save(Path.Combine(folder, "tokenizer.json"));
        TransformerConfig shape = Gpt2.Shape(layers: 2, dModel: 16, heads: 2, vocabularySize: 300, positions: 32);
        Dictionary<string, Tensor> weights = Gpt2.Initialise(shape, seed);
        SafetensorsWriter.Write(Path.Combine(folder, "model.safetensors"), weights);
        JsonFile.Write(Path.Combine(folder, "config.json"), Gpt2.ConfigFile(shape, endOfText: 299));
        foreach (Tensor tensor in weights.Values) tensor.Dispose();
    }

    /// <summary>Distinct documents of plain words.</summary>
    internal static string Documents(int count, int words = 60)
    {
        string[] vocabulary = ["stream", "buffer", "returns", "the", "number", "of", "bytes", "read", "from", "file", "thread", "lock", "key", "value"];
        var random = new SeededRandom(9);
        string Document() => string.Join(' ', Enumerable.Range(0, words).Select(_ => vocabulary[random.Next(vocabulary.Length)]));
        return string.Join("\n\n", Enumerable.Range(0, count).Select(_ => Document()));
    }
}
