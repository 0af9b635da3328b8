using Monosemantic.Runtime;
using TorchSharp;
using static TorchSharp.torch;

namespace Monosemantic.Models;

/// <summary>
/// A decoder-only transformer with its weights as trained: never folded, never centred. One mechanism, the hook, reads,
/// edits, ablates and replaces the values inside a forward pass, in forward order.
/// </summary>
/// <remarks>Not thread-safe while weights are trained; forwards without training may run side by side.</remarks>
public sealed class Transformer : IDisposable
{
    private readonly IReadOnlyDictionary<string, Tensor> named;

    /// <summary>Makes a model from weights; it owns them from here on.</summary>
    /// <param name="config">The shape.</param>
    /// <param name="weights">The weights by their part.</param>
    /// <param name="named">The same tensors by their names in the file.</param>
    /// <param name="name">What the model is called.</param>
    /// <param name="sha256">Hash of the weights' file, or empty for a model that is not on disk.</param>
    public Transformer(TransformerConfig config, TransformerWeights weights, IReadOnlyDictionary<string, Tensor> named, string name, string sha256)
    {
        Config = config;
        Weights = weights;
        this.named = named;
        Name = name;
        Sha256 = sha256;
    }

    /// <summary>The shape.</summary>
    public TransformerConfig Config { get; }

    /// <summary>The weights by their part in the model.</summary>
    public TransformerWeights Weights { get; }

    /// <summary>The weights by their names in the file.</summary>
    public IReadOnlyDictionary<string, Tensor> Named => named;

    /// <summary>What the model is called: its folder's name.</summary>
    public string Name { get; }

    /// <summary>SHA-256 of the weights' file; with several, of the list of their hashes and names.</summary>
    public string Sha256 { get; }

    /// <summary>Every hook point of the model, in forward order.</summary>
    public IReadOnlyList<HookPoint> HookPoints => HookPoint.AllOf(Config);

    /// <summary>What is odd about the model's files, such as weights that are not finite; empty where nothing is.</summary>
    public IReadOnlyList<string> Warnings { get; init; } = [];

    /// <summary>
    /// Loads a local Hugging Face folder, <c>config.json</c> and <c>model.safetensors</c> or <c>pytorch_model.bin</c> or the shards
    /// of either, or a llama2.c file. Weights stored as float32 stay in the mapped file; others are copied once.
    /// </summary>
    /// <param name="path">The folder or the file.</param>
    /// <exception cref="UserErrorException">A file is missing or broken, or holds what the family does not know.</exception>
    public static Transformer Load(string path) => ModelLoader.Load(path);

    /// <summary>Passes on the <see cref="Warnings"/>.</summary>
    /// <param name="progress">Told of each; null for nobody.</param>
    public void ReportWarnings(IProgress<ProgressReport>? progress)
    {
        foreach (string warning in Warnings) progress?.Report(ProgressReport.Warning(warning));
    }

    /// <summary>The shape of a model on disk, without its weights.</summary>
    /// <param name="path">A Hugging Face folder or a llama2.c file.</param>
    /// <exception cref="UserErrorException">The config is missing or broken, or holds what the family does not know.</exception>
    public static TransformerConfig Shape(string path) => ModelLoader.Shape(path);

    /// <summary>Width of the last dimension at a hook point, heads flattened: the width of its activations as stored.</summary>
    /// <param name="at">A hook point of this model.</param>
    public int Width(HookPoint at)
    {
        Check(at);
        return at.Site switch
        {
            HookSite.MlpPre or HookSite.MlpPreLinear or HookSite.MlpPost => Config.DMlp,
            HookSite.AttnQ or HookSite.AttnRotQ or HookSite.AttnZ => Config.Heads * Config.DHead,
            HookSite.AttnK or HookSite.AttnRotK or HookSite.AttnV => Config.KeyValueHeads * Config.DHead,
            HookSite.Ln1Scale or HookSite.Ln2Scale or HookSite.Ln1PostScale or HookSite.Ln2PostScale or HookSite.LnFinalScale => 1,
            HookSite.AttnScores or HookSite.AttnPattern => throw new UserErrorException($"{at} has no fixed width: it grows with the context", "attention patterns can be hooked but not stored as rows"),
            _ => Config.DModel,
        };
    }

    /// <summary>Predicts the next token at every position.</summary>
    /// <param name="tokens">Token ids [b, t] int64.</param>
    /// <param name="hook">Called at the hook points; null for none.</param>
    /// <param name="at">The points at which to call it; none given means all.</param>
    /// <returns>Logits [b, t, vocabulary].</returns>
    /// <exception cref="UserErrorException">A token id is outside the vocabulary, the context is too long, or a hook point does not exist.</exception>
    public Tensor Forward(Tensor tokens, Hook? hook = null, params ReadOnlySpan<HookPoint> at)
    {
        var taps = new HookTaps(hook, CheckedSet(at));
        CheckTokens(tokens);
        using var scope = NewDisposeScope();
        Tensor residual = Residual(tokens, new ForwardPass(Config, taps, 0, tokens.shape[1]))!;
        return Unembed(residual, taps).MoveToOuterDisposeScope();
    }

    /// <summary>Predicts from tokens that follow those of a cache, as <see cref="Forward"/> over all of them would; only the new ones are computed.</summary>
    /// <param name="tokens">The new token ids [b, t] int64.</param>
    /// <param name="cache">What was seen before; extended by the new tokens.</param>
    /// <param name="onlyLast">Whether only the last position's logits are wanted.</param>
    /// <returns>Logits of the new positions [b, t, vocabulary], or [b, vocabulary] of the last one.</returns>
    /// <exception cref="UserErrorException">A token id is outside the vocabulary, or the positions are used up.</exception>
    public Tensor Continue(Tensor tokens, KeyValueCache cache, bool onlyLast = false) => Continued(tokens, cache, HookTaps.None, onlyLast);

    /// <summary>The same with a hook at one point, which sees the new tokens.</summary>
    /// <param name="tokens">The new token ids [b, t] int64.</param>
    /// <param name="cache">What was seen before; extended by the new tokens.</param>
    /// <param name="hook">Called at the point.</param>
    /// <param name="at">The point.</param>
    /// <returns>Logits of the last position [b, vocabulary].</returns>
    internal Tensor ContinueHooked(Tensor tokens, KeyValueCache cache, Hook hook, HookPoint at) => Continued(tokens, cache, new HookTaps(hook, CheckedSet([at])), onlyLast: true);

    /// <summary>Lets a cache take in tokens that follow those it holds, and predicts nothing from them.</summary>
    /// <param name="tokens">The new token ids [b, t] int64.</param>
    /// <param name="cache">What was seen before; extended by the new tokens.</param>
    internal void Read(Tensor tokens, KeyValueCache cache)
    {
        CheckTokens(tokens, cache.Length);
        using var scope = NewDisposeScope();
        _ = Residual(tokens, new ForwardPass(Config, HookTaps.None, cache.Length, tokens.shape[1]) { Cache = cache, OnlySeen = true });
        cache.Advance(tokens.shape[1]);
    }

    /// <summary>The first block that reads the residual stream of a hook point; null where the point is not between two blocks.</summary>
    internal static int? BlockAfter(HookPoint at) => at.Site switch
    {
        HookSite.ResidPre => at.Layer,
        HookSite.ResidPost => at.Layer + 1,
        _ => null,
    };

    /// <summary>Predicts from alternatives of the token that follows some others, each with those others alone before it, from a block on.</summary>
    /// <param name="block">The block that the residual streams stand before; the number of blocks to go on behind the last one.</param>
    /// <param name="before">Residual stream of the others [b, n, d_model].</param>
    /// <param name="alternatives">Residual stream of the alternatives [b, m, d_model].</param>
    /// <returns>Logits [b, m, vocabulary].</returns>
    internal Tensor Alternatives(int block, Tensor before, Tensor alternatives)
    {
        using var scope = NewDisposeScope();
        long seen = before.shape[1];
        if (block != Config.Layers - 1 || !KeylessAttention.Suits(Config, Weights.Blocks[block], block, seen + 1)) return InTurn(block, before, alternatives).MoveToOuterDisposeScope();
        Tensor attention = KeylessAttention.Forward(Config, Weights.Blocks[block], block, before, alternatives);
        Tensor final = TransformerBlock.Rest(new ForwardPass(Config, HookTaps.None, seen, 1), Weights.Blocks[block], block, alternatives, attention)!;
        return Unembed(final, HookTaps.None).MoveToOuterDisposeScope();
    }

    // The others once, for their keys and values; then one alternative after the other in the same place.
    private Tensor InTurn(int block, Tensor before, Tensor alternatives)
    {
        using var cache = new KeyValueCache(Config);
        using var scope = NewDisposeScope();
        long seen = before.shape[1];
        if (seen > 0) _ = Blocks(block, before, new ForwardPass(Config, HookTaps.None, 0, seen) { Cache = cache, OnlySeen = true }, scope);
        cache.Advance(seen);
        Tensor After(long alternative)
        {
            Tensor final = Blocks(block, alternatives.narrow(1, alternative, 1), new ForwardPass(Config, HookTaps.None, seen, 1) { Cache = cache }, scope)!;
            return Unembed(final.select(1, 0), HookTaps.None);
        }
        return stack([.. Enumerable.Range(0, (int)alternatives.shape[1]).Select(i => After(i))], 1).MoveToOuterDisposeScope();
    }

    private Tensor Continued(Tensor tokens, KeyValueCache cache, HookTaps taps, bool onlyLast)
    {
        ArgumentNullException.ThrowIfNull(cache);
        CheckTokens(tokens, cache.Length);
        using var scope = NewDisposeScope();
        Tensor residual = Residual(tokens, new ForwardPass(Config, taps, cache.Length, tokens.shape[1]) { Cache = cache })!;
        cache.Advance(tokens.shape[1]);
        return Unembed(onlyLast ? residual.select(1, -1) : residual, taps).MoveToOuterDisposeScope();
    }

    /// <summary>Runs the model only as far as the last of the given hook points.</summary>
    /// <param name="tokens">Token ids [b, t] int64.</param>
    /// <param name="hook">Called at the hook points.</param>
    /// <param name="at">The points, at least one.</param>
    public void Run(Tensor tokens, Hook hook, params ReadOnlySpan<HookPoint> at)
    {
        if (at.Length == 0) throw new ArgumentException("at least one hook point is needed", nameof(at));
        var taps = new HookTaps(hook, CheckedSet(at)) { StopAfterLast = true };
        CheckTokens(tokens);
        using var scope = NewDisposeScope();
        if (Residual(tokens, new ForwardPass(Config, taps, 0, tokens.shape[1])) is { } residual) _ = FinalNormed(residual, taps);
    }

    /// <summary>Logits of a final residual stream: final norm, then unembedding.</summary>
    /// <param name="residual">[.., d_model].</param>
    /// <returns>[.., vocabulary].</returns>
    public Tensor Unembed(Tensor residual) => Unembed(residual, HookTaps.None);

    /// <summary>The factor that the final norm puts on each dimension [d_model]; it may be the model's own tensor.</summary>
    public Tensor FinalGain() => Normalisation.Gain(Config, Weights.FinalNorm);

    /// <summary>Cross-entropy of each position's prediction of the next token.</summary>
    /// <param name="logits">[b, t, vocabulary].</param>
    /// <param name="tokens">[b, t] int64.</param>
    /// <returns>[b, t - 1], nats.</returns>
    public static Tensor LossPerToken(Tensor logits, Tensor tokens)
    {
        ArgumentNullException.ThrowIfNull(logits);
        ArgumentNullException.ThrowIfNull(tokens);
        using var scope = NewDisposeScope();
        long sequences = tokens.shape[0], length = tokens.shape[1];
        if (sequences == 0) return empty(0, length - 1).MoveToOuterDisposeScope();
        // One sequence at a time: the softmax of all logits would take as much memory once more, and their cut another time.
        return stack([.. Enumerable.Range(0, (int)sequences).Select(Losses)]).MoveToOuterDisposeScope();

        Tensor Losses(int sequence)
        {
            using var one = NewDisposeScope();
            Tensor predictions = logits[sequence].narrow(0, 0, length - 1), targets = tokens[sequence].narrow(0, 1, length - 1);
            return nn.functional.cross_entropy(predictions, targets, reduction: nn.Reduction.None).MoveToOuterDisposeScope();
        }
    }

    /// <summary>Frees the weights.</summary>
    public void Dispose()
    {
        foreach (Tensor tensor in named.Values.Concat(Weights.Tensors())) tensor.Dispose();
    }

    // The rotary tables live in the caller's scope; here only the newest residual stream is kept.
    private Tensor? Residual(Tensor tokens, ForwardPass pass)
    {
        using var scope = NewDisposeScope();
        return Embedded(tokens, pass) is { } embedded && Blocks(0, embedded, pass, scope) is { } residual ? scope.Release(residual) : null;
    }

    // The residual stream after the last block, or null where the pass ended before; frees those before it that are the scope's.
    private Tensor? Blocks(int first, Tensor residual, ForwardPass pass, DisposeScope scope)
    {
        for (int layer = first; layer < Config.Layers; layer++)
        {
            if (TransformerBlock.Forward(pass, Weights.Blocks[layer], layer, residual) is not { } next) return null;
            if (scope.Contains(residual) && !ReferenceEquals(next, residual)) residual.Dispose();
            residual = next;
        }
        return residual;
    }

    private Tensor? Embedded(Tensor tokens, ForwardPass pass)
    {
        Tensor looked = Weights.Embedding.index_select(0, tokens.reshape(-1)).view(tokens.shape[0], pass.Length, Config.DModel);
        Tensor embedded = pass.At(HookSite.Embed, -1, Config.EmbeddingScale == 1 ? looked : looked * Config.EmbeddingScale);
        if (pass.Taps.Finished) return null;
        if (Weights.Positions is null) return embedded;
        Tensor rows = Weights.Positions.narrow(0, pass.Offset, pass.Length).unsqueeze(0).expand(tokens.shape[0], -1, -1);
        // A hook may write into what it is given: never into the weights.
        Tensor positions = pass.At(HookSite.PosEmbed, -1, pass.Wants(HookSite.PosEmbed, -1) ? rows.clone() : rows);
        return pass.Taps.Finished ? null : embedded + positions;
    }

    private Tensor Unembed(Tensor residual, HookTaps taps)
    {
        using var scope = NewDisposeScope();
        Tensor rows = FinalNormed(residual, taps).reshape(-1, Config.DModel), directions = Weights.Unembedding.t();
        Tensor logits = Weights.UnembeddingBias is { } bias ? addmm(bias, rows, directions, 1, 1) : rows.mm(directions);
        if (Config.LogitSoftCap is { } cap) logits = (logits / cap).tanh() * cap;
        return logits.view([.. residual.shape[..^1], Config.VocabularySize]).MoveToOuterDisposeScope();
    }

    private Tensor FinalNormed(Tensor residual, HookTaps taps) =>
        Normalisation.Apply(Config, Weights.FinalNorm, residual, new(HookSite.LnFinalScale, -1), new(HookSite.LnFinalNormalized, -1), taps);

    /// <summary>Checks that the model can read some tokens.</summary>
    /// <param name="tokens">[b, t] int64.</param>
    /// <param name="seen">Tokens before them.</param>
    /// <param name="source">Where they are from, for errors; null for nowhere.</param>
    /// <exception cref="UserErrorException">There are more than it has positions, or one is not in its vocabulary.</exception>
    internal void CheckTokens(Tensor tokens, long seen = 0, string? source = null)
    {
        ArgumentNullException.ThrowIfNull(tokens);
        if (tokens.dim() != 2 || tokens.dtype != ScalarType.Int64) throw new ArgumentException($"tokens must be [batch, position] int64, not [{string.Join(", ", tokens.shape)}] {tokens.dtype}", nameof(tokens));
        string at = source is null ? "" : $"{source}: ";
        if (seen + tokens.shape[1] > Config.MaxPositions)
        {
            throw new UserErrorException($"{at}a context of {seen + tokens.shape[1]} tokens is too long for {Name}: it has {Config.MaxPositions} positions", $"use contexts of at most {Config.MaxPositions} tokens");
        }
        if (tokens.numel() == 0) return;
        using var scope = NewDisposeScope();
        long low = tokens.min().item<long>(), high = tokens.max().item<long>();
        if (low < 0 || high >= Config.VocabularySize)
        {
            throw new UserErrorException($"{at}token id {(low < 0 ? low : high)} is outside the vocabulary of {Name}, 0..{Config.VocabularySize - 1}", "use the tokenizer that belongs to the model");
        }
    }

    /// <summary>Checks that the model has some points.</summary>
    /// <param name="points">The points.</param>
    /// <exception cref="UserErrorException">It lacks one; the message says why.</exception>
    public void RequirePoints(params ReadOnlySpan<HookPoint> points)
    {
        foreach (HookPoint point in points) Check(point);
    }

    private HashSet<HookPoint>? CheckedSet(ReadOnlySpan<HookPoint> at)
    {
        if (at.Length == 0) return null;
        RequirePoints(at);
        return [.. at];
    }

    private void Check(HookPoint at)
    {
        if (HookPoint.Absence(Config, at.Site) is { } reason)
        {
            throw new UserErrorException($"{at} does not exist in {Name}: {reason}", $"its points are {string.Join(", ", HookPoints.Where(point => point.Layer <= 0))}");
        }
        if (!HookPoint.IsInBlock(at.Site) || (at.Layer >= 0 && at.Layer < Config.Layers)) return;
        throw new UserErrorException($"{at} does not exist in {Name}: it has blocks 0..{Config.Layers - 1}", $"its points are {string.Join(", ", HookPoints.Where(point => point.Layer <= 0))}");
    }
}
