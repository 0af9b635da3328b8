using System.Text;
using Monosemantic.Models;
using Monosemantic.Models.Families;
using Monosemantic.Runtime;
using Monosemantic.Text;
using static TorchSharp.torch;

namespace Monosemantic.Tests.Models;

public sealed class TextGenerationTests : IDisposable
{
    private const int Ids = 11;
    private readonly Tokenizer letters = Tokenizer.Create(CharacterVocabulary.FromTexts(["abcd"]));
    private readonly Transformer model;

    public TextGenerationTests()
    {
        TransformerConfig config = Gpt2.Shape(layers: 2, dModel: 16, heads: 4, vocabularySize: Ids, positions: 8);
        Dictionary<string, Tensor> weights = Gpt2.Initialise(config, seed: 7);
        foreach (Tensor tensor in weights.Values.Where(tensor => tensor.dim() == 2)) tensor.mul_(20);
        model = new Transformer(config, Gpt2.Assemble(config, name => weights[name]), weights, "toy", "");
    }

    public void Dispose() => model.Dispose();

    [Fact]
    public void Ids_without_a_token_are_shown_as_such_and_never_dropped()
    {
        Assert.True(letters.VocabularySize < Ids);
        Generation result = Run("ab", 60, out string written);
        Assert.Equal(60, result.Tokens.Count);
        Assert.Contains(result.Tokens, token => token >= letters.VocabularySize);
        Assert.Equal(string.Concat(result.Tokens.Select(token => letters.Contains(token) ? letters.Display(token) : $"<id {token}>")), result.Text);
        Assert.Equal("ab" + result.Text, written);
        Assert.False(result.Ended);
    }

    [Fact]
    public void The_same_seed_writes_the_same_text()
    {
        Generation first = Run("ab", 30, out _), again = Run("ab", 30, out _);
        Assert.Equal(first.Tokens, again.Tokens);
        Assert.Equal(first.Text, again.Text);
    }

    [Fact]
    public void A_prompt_that_the_model_cannot_read_is_not_written()
    {
        Tokenizer many = Tokenizer.Create(CharacterVocabulary.FromTexts(["abcdefghijklmnopqrstuvwxyz"]));
        var written = new StringBuilder();
        Assert.Contains("outside the vocabulary", Assert.Throws<UserErrorException>(() => TextGeneration.Run(model, many, "zzz", 3, new SamplingOptions(), 1, piece => written.Append(piece), TestContext.Current.CancellationToken)).Message);
        Assert.Equal("", written.ToString());
    }

    private Generation Run(string prompt, int count, out string written)
    {
        var pieces = new StringBuilder();
        Generation result = TextGeneration.Run(model, letters, prompt, count, new SamplingOptions(), 5, piece => pieces.Append(piece), TestContext.Current.CancellationToken);
        written = pieces.ToString();
        return result;
    }
}
