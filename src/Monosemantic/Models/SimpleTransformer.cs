using System.Collections.Immutable;
using System.Globalization;
using Monosemantic.Runtime;
using static TorchSharp.torch;
using Parameter = TorchSharp.Modules.Parameter;

namespace Monosemantic.Models;

/// <summary>Everything that a forward of a <see cref="SimpleTransformer"/> passes through.</summary>
/// <param name="Output">Logits over the characters [b, t, vocabulary].</param>
/// <param name="Embedded">Token plus position embedding, the encoder's input [b, t, d_model].</param>
/// <param name="EncoderOutput">What the last layer gives [b, t, d_model].</param>
/// <param name="Neurons">
/// Of each layer, the neurons of its feed-forward part after the ReLU and before the second map [b, t, feed-forward].
/// </param>
public sealed record SimpleTransformerTrace(Tensor Output, Tensor Embedded, Tensor EncoderOutput, ImmutableArray<Tensor> Neurons);

/// <summary>
/// The small transformer that this project grew from: token embedding plus learned position embedding, PyTorch's
/// <c>TransformerEncoder</c> (post-norm layers, ReLU, every character sees the whole line), and a linear map to the characters.
/// It reads one line of a text and gives, at each position, the character that it expects there in the next line.
/// </summary>
/// <remarks>
/// Not the same as <see cref="Transformer"/>, which is a decoder. Padding (<see cref="SimpleTransformerVocabulary.PaddingId"/>)
/// has an embedding but is hidden from attention as a key (PyTorch's <c>src_key_padding_mask</c>), so that how far a line is
/// filled up changes nothing at its characters; the output at a padded position is what the model expects there from the
/// position and the line's characters alone.
/// </remarks>
public sealed class SimpleTransformer : IDisposable
{
    private const string HeadsKey = "heads", DropoutKey = "dropout", VocabularyKey = "vocabulary";
    private readonly ImmutableSortedDictionary<string, Parameter> named;
    private readonly ImmutableArray<SimpleTransformerLayer> layers;
    private readonly Tensor embedding, positions, outputWeight, outputBias;

    /// <summary>Makes an untrained model, initialised as PyTorch initialises these parts; the same on every machine.</summary>
    /// <param name="vocabulary">The characters.</param>
    /// <param name="config">The shape.</param>
    /// <param name="seed">Seed of the weights.</param>
    public SimpleTransformer(SimpleTransformerVocabulary vocabulary, SimpleTransformerConfig config, long seed)
        : this(vocabulary, config, SimpleTransformerWeights.Initialise(vocabulary, config, seed))
    {
    }

    private SimpleTransformer(SimpleTransformerVocabulary vocabulary, SimpleTransformerConfig config, IReadOnlyDictionary<string, Tensor> weights)
    {
        (Vocabulary, Config) = (vocabulary, config);
        named = weights.ToImmutableSortedDictionary(pair => pair.Key, pair => new Parameter(pair.Value, requires_grad: true), StringComparer.Ordinal);
        (embedding, positions) = (named["embedding.weight"], named["position_embedding.weight"]);
        (outputWeight, outputBias) = (named["output.weight"], named["output.bias"]);
        layers = [.. Enumerable.Range(0, config.Layers).Select(layer => new SimpleTransformerLayer(config.Heads, name => named[$"{SimpleTransformerWeights.Layer(layer)}{name}"]))];
    }

    /// <summary>The characters.</summary>
    public SimpleTransformerVocabulary Vocabulary { get; }

    /// <summary>The shape.</summary>
    public SimpleTransformerConfig Config { get; }

    /// <summary>The weights by PyTorch's names, such as <c>encoder.layers.0.linear1.weight</c>.</summary>
    public IReadOnlyDictionary<string, Parameter> Named => named;

    /// <summary>Trained numbers in the model.</summary>
    public long Parameters => named.Values.Sum(parameter => parameter.numel());

    /// <summary>Reads a model that <see cref="Save"/> wrote.</summary>
    /// <param name="path">The safetensors file.</param>
    /// <exception cref="UserErrorException">It is no such file, or a tensor is missing, left over, of another shape, or not finite.</exception>
    public static SimpleTransformer Load(string path)
    {
        using SafetensorsFile file = SafetensorsFile.Open(path);
        string Metadata(string key) => file.Header.Metadata.TryGetValue(key, out string? text) && text.Length > 0
            ? text
            : throw new UserErrorException($"{path} does not say its {key}", "give a model.safetensors that `monosemantic learn` wrote");
        if (!int.TryParse(Metadata(HeadsKey), NumberStyles.None, CultureInfo.InvariantCulture, out int heads) || !double.TryParse(Metadata(DropoutKey), CultureInfo.InvariantCulture, out double dropout))
        {
            throw new UserErrorException($"{path} has heads '{Metadata(HeadsKey)}' and dropout '{Metadata(DropoutKey)}'; both must be numbers", "give a model.safetensors that `monosemantic learn` wrote");
        }
        var vocabulary = SimpleTransformerVocabulary.Of(Metadata(VocabularyKey));
        SimpleTransformerConfig config = SimpleTransformerWeights.Shape(file, heads, dropout);
        return new(vocabulary, config, SimpleTransformerWeights.Read(file, vocabulary, config));
    }

    /// <summary>Writes the weights, the vocabulary and the number of heads as one safetensors file.</summary>
    /// <param name="path">The file to make or replace.</param>
    public void Save(string path) => SafetensorsWriter.Write(path, named.Select(pair => KeyValuePair.Create(pair.Key, (Tensor)pair.Value)), new Dictionary<string, string>
    {
        ["format"] = "pt",
        [HeadsKey] = Config.Heads.ToString(CultureInfo.InvariantCulture),
        [DropoutKey] = Config.Dropout.ToString(CultureInfo.InvariantCulture),
        [VocabularyKey] = Vocabulary.Text,
    });

    /// <summary>What the model expects in the next line, without dropout.</summary>
    /// <param name="tokens">Token ids [b, t] int64, padding included; every line has at least one character.</param>
    /// <returns>Logits over the characters [b, t, vocabulary].</returns>
    /// <exception cref="UserErrorException">A line is too long, has an id that does not exist, or holds nothing but padding.</exception>
    public Tensor Forward(Tensor tokens)
    {
        using var scope = NewDisposeScope();
        return Pass(tokens, null).Output.MoveToOuterDisposeScope();
    }

    /// <summary>The same forward with everything it passes through.</summary>
    /// <param name="tokens">Token ids [b, t] int64.</param>
    /// <exception cref="UserErrorException">A line is too long, has an id that does not exist, or holds nothing but padding.</exception>
    public SimpleTransformerTrace Trace(Tensor tokens)
    {
        using var scope = NewDisposeScope();
        SimpleTransformerTrace trace = Pass(tokens, null);
        foreach (Tensor kept in trace.Neurons.Append(trace.Output).Append(trace.Embedded).Append(trace.EncoderOutput)) kept.MoveToOuterDisposeScope();
        return trace;
    }

    /// <summary>The line that the model expects after a line, as long as the line given. Each position is decided by itself.</summary>
    /// <param name="line">Characters of the vocabulary, at least one.</param>
    /// <param name="random">Draws each character by the chance that the model gives it; null takes the likeliest.</param>
    /// <exception cref="UserErrorException">It is empty, too long, or has a character that the vocabulary lacks.</exception>
    public string NextLine(string line, SeededRandom? random = null)
    {
        using var scope = NewDisposeScope();
        using var gradients = no_grad();
        Tensor chances = Forward(Tokens(line)).softmax(-1).contiguous();
        ReadOnlySpan<float> all = TensorMemory.Floats(chances);
        var ids = new int[all.Length / Vocabulary.Size];
        for (int at = 0; at < ids.Length; at++) ids[at] = Choose(all.Slice(at * Vocabulary.Size, Vocabulary.Size), random);
        return Vocabulary.Decode(ids);
    }

    /// <summary>A line's token ids [1, t] int64.</summary>
    /// <param name="line">Characters of the vocabulary, at least one.</param>
    /// <exception cref="UserErrorException">It is empty or has a character that the vocabulary lacks.</exception>
    public Tensor Tokens(string line)
    {
        int[] ids = Vocabulary.Encode(line, "the line");
        if (ids.Length == 0) throw new UserErrorException("the line is empty", "give at least one character");
        return tensor(Array.ConvertAll(ids, id => (long)id), [1, ids.Length]);
    }

    /// <summary>Frees the weights.</summary>
    public void Dispose()
    {
        foreach (Parameter parameter in named.Values) parameter.Dispose();
    }

    /// <summary>A forward in training: values are dropped.</summary>
    /// <param name="tokens">Token ids [b, t] int64.</param>
    /// <param name="dropout">What drops them.</param>
    /// <returns>Logits [b, t, vocabulary].</returns>
    internal Tensor Forward(Tensor tokens, SimpleTransformerDropout dropout)
    {
        using var scope = NewDisposeScope();
        return Pass(tokens, dropout).Output.MoveToOuterDisposeScope();
    }

    private SimpleTransformerTrace Pass(Tensor tokens, SimpleTransformerDropout? dropout)
    {
        Tensor padding = Checked(tokens);
        long batch = tokens.shape[0], length = tokens.shape[1];
        Tensor embedded = embedding.index_select(0, tokens.reshape(-1)).view(batch, length, Config.DModel) + positions.narrow(0, 0, length);
        Tensor mask = zeros(batch, 1, length).masked_fill(padding.unsqueeze(1), double.NegativeInfinity).repeat_interleave(Config.Heads, 0);
        Tensor x = embedded;
        var neurons = ImmutableArray.CreateBuilder<Tensor>(layers.Length);
        foreach (SimpleTransformerLayer layer in layers)
        {
            (x, Tensor active) = layer.Forward(x, mask, dropout);
            neurons.Add(active);
        }
        return new(nn.functional.linear(x, outputWeight, outputBias), embedded, x, neurons.MoveToImmutable());
    }

    private static int Choose(ReadOnlySpan<float> chances, SeededRandom? random)
    {
        int likeliest = System.Numerics.Tensors.TensorPrimitives.IndexOfMax(chances);
        if (random is null) return likeliest;
        double left = random.NextDouble();
        for (int id = 0; id < chances.Length; id++)
        {
            left -= chances[id];
            if (left < 0) return id;
        }
        return likeliest;
    }

    // Where there is padding [b, t].
    private Tensor Checked(Tensor tokens)
    {
        ArgumentNullException.ThrowIfNull(tokens);
        if (tokens.dim() != 2 || tokens.dtype != ScalarType.Int64 || tokens.numel() == 0) throw new ArgumentException($"tokens must be [batch, position] int64, at least one, not [{string.Join(", ", tokens.shape)}] {tokens.dtype}", nameof(tokens));
        if (tokens.shape[1] > Config.MaxPositions) throw new UserErrorException($"a line of {tokens.shape[1]:N0} characters is too long: the model has {Config.MaxPositions:N0} positions", "cut the line");
        long low = tokens.min().item<long>(), high = tokens.max().item<long>();
        if (low < 0 || high > Vocabulary.PaddingId) throw new UserErrorException($"token id {(low < 0 ? low : high)} does not exist: characters are 0..{Vocabulary.Size - 1}, padding is {Vocabulary.PaddingId}", "encode the text with the model's own vocabulary");
        Tensor padding = tokens.eq(Vocabulary.PaddingId);
        if (padding.all(1).any().item<bool>()) throw new UserErrorException("a line holds nothing but padding", "give every line at least one character");
        return padding;
    }
}
