using Monosemantic.Metrics;
using Monosemantic.Models;
using Monosemantic.Models.Families;
using Monosemantic.Runtime;
using Monosemantic.Text;
using static TorchSharp.torch;

namespace Monosemantic.Tests.Metrics;

public sealed class SplicedLossTests : IDisposable
{
    private const int Vocabulary = 11;
    private static readonly HookPoint First = HookPoint.Parse("blocks.0.hook_resid_pre");
    private static readonly HookPoint Last = HookPoint.Parse("blocks.1.hook_resid_post");
    private readonly Transformer model;

    public SplicedLossTests()
    {
        TransformerConfig config = Gpt2.Shape(layers: 2, dModel: 16, heads: 4, vocabularySize: Vocabulary, positions: 8);
        Dictionary<string, Tensor> weights = Gpt2.Initialise(config, seed: 7);
        foreach (Tensor weight in weights.Values) weight.mul_(8);
        model = new Transformer(config, Gpt2.Assemble(config, name => weights[name]), weights, "toy", "");
    }

    public void Dispose() => model.Dispose();

    [Fact]
    public void A_perfect_reconstruction_costs_nothing_and_zero_costs_as_much_as_ablation()
    {
        TokenContext[][] batches = [[Context(3, 1, 4, 1, 5), Context(9, 2, 6, 5, 3)], [Context(5, 8)]];
        CrossEntropyResult perfect = Measure(Last, x => x.alias(), batches);
        CrossEntropyResult nothing = Measure(Last, x => zeros_like(x), batches);
        Assert.Equal(9, perfect.Tokens);
        Assert.Equal(perfect.Original, perfect.Spliced, 6);
        Assert.Equal(1, perfect.Recovered!.Value, 6);
        Assert.Equal(0, nothing.Recovered!.Value, 6);
        // A residual stream of zero leaves the final norm's bias, which is 0 here: every token is equally likely.
        Assert.Equal(Math.Log(Vocabulary), perfect.ZeroAblation, 5);
    }

    [Fact]
    public void Losses_are_those_of_the_model_run_by_hand()
    {
        TokenContext context = Context(3, 1, 4, 1, 5, 9);
        CrossEntropyResult result = Measure(Last, x => x * 0.5 + 1, [[context]]);
        Assert.Equal(ByHand(context, null, Enumerable.Range(0, 5)), result.Original, 6);
        Assert.Equal(ByHand(context, x => x * 0.5 + 1, Enumerable.Range(0, 5)), result.Spliced, 6);
    }

    [Fact]
    public void Inserted_tokens_keep_their_activation_and_are_neither_targets_nor_sources()
    {
        // BOS, two tokens of one document, a separator, three tokens of the next.
        var context = new TokenContext([0, 3, 1, 0, 4, 1, 5], [7, 7, 7, 8, 8, 8, 8], [-1, 0, 1, -1, 0, 1, 2]);
        CrossEntropyResult result = Measure(First, x => x * 0.5 + 1, [[context]]);
        Assert.Equal(3, result.Tokens);
        Assert.Equal(ByHand(context, x => x * 0.5 + 1, [1, 4, 5], First), result.Spliced, 6);
        Assert.NotEqual(ByHand(context, x => x * 0.5 + 1, [1, 4, 5], First, everywhere: true), result.Spliced, 3);
        Assert.Equal(ByHand(context, x => x * 0, [1, 4, 5], First, everywhere: true), result.ZeroAblation, 6);
    }

    [Fact]
    public void Ablation_of_the_text_leaves_inserted_tokens_as_they_are()
    {
        TokenContext context = new([3, 1, 4, 1, 5], [-1, 7, 7, 7, 7], [-1, 0, 1, 2, 3]);
        double[] mean = [.. Enumerable.Range(0, 16).Select(i => i / 16.0)];
        HookPoint early = HookPoint.Parse("blocks.0.hook_resid_post");
        CrossEntropyResult text = SplicedLoss.Measure(model, early, x => x.alias(), [[context, context]], mean: mean, ablated: AblatedPositions.Text, cancellation: TestContext.Current.CancellationToken);
        Assert.Equal(ByHand(context, x => x * 0, [1, 2, 3], early), text.ZeroAblation, 5);
        Assert.Equal(ByHand(context, x => (x * 0) + tensor(mean).to(ScalarType.Float32), [1, 2, 3], early), text.Numbers["ce_mean_ablation"].Value!.Value, 5);
        CrossEntropyResult every = Measure(early, x => x.alias(), [[context]]);
        Assert.Equal(ByHand(context, x => x * 0, [1, 2, 3], early, everywhere: true), every.ZeroAblation, 5);
        Assert.NotEqual(every.ZeroAblation, text.ZeroAblation, 3);
        HookPoint heads = HookPoint.Parse("blocks.0.attn.hook_z");
        Assert.NotEqual(Measure(heads, x => x.alias(), [[context]]).ZeroAblation, SplicedLoss.Measure(model, heads, x => x.alias(), [[context]], ablated: AblatedPositions.Text, cancellation: TestContext.Current.CancellationToken).ZeroAblation, 6);
    }

    [Fact]
    public void Heads_are_spliced_as_one_vector()
    {
        CrossEntropyResult result = Measure(HookPoint.Parse("blocks.0.attn.hook_z"), x => x.shape[1] == 16 ? x.alias() : zeros_like(x), [[Context(3, 1, 4, 1)]]);
        Assert.Equal(result.Original, result.Spliced, 6);
        Assert.NotEqual(result.Original, result.ZeroAblation, 3);
    }

    [Fact]
    public void Documents_that_meet_without_a_separator_are_not_predicted_across()
    {
        var context = new TokenContext([3, 1, 4, 1], [7, 7, 8, 8], [0, 1, 0, 1]);
        CrossEntropyResult result = Measure(Last, x => x.alias(), [[context]]);
        Assert.Equal(2, result.Tokens);
        Assert.Equal(ByHand(context, null, [0, 2]), result.Original, 6);
    }

    [Fact]
    public void How_contexts_are_batched_changes_only_rounding()
    {
        TokenContext[] contexts = [.. Enumerable.Range(0, 6).Select(i => Context(i, 2, 7 - i, i, 10 - i))];
        CrossEntropyResult whole = Measure(Last, x => x * 0.9, [contexts]);
        CrossEntropyResult single = Measure(Last, x => x * 0.9, contexts.Select(context => new[] { context }));
        Assert.Equal(whole.Tokens, single.Tokens);
        Assert.Equal(whole.Spliced, single.Spliced, 5);
        Assert.Equal(whole.Original, single.Original, 5);
    }

    [Fact]
    public void What_cannot_be_measured_is_refused()
    {
        Assert.Throws<UserErrorException>(() => Measure(Last, x => x.alias(), []));
        Assert.Throws<UserErrorException>(() => Measure(Last, x => x.alias(), [[Context(3)]]));
        Assert.Throws<UserErrorException>(() => Measure(Last, x => x * float.NaN, [[Context(3, 1)]]));
        Assert.Throws<ArgumentException>(() => Measure(Last, x => x.alias(), [[Context(3, 1), Context(3, 1, 2)]]));
        Assert.Null(SplicedLoss.Recovered(2, 2.5, 2));
        Assert.Equal(0.75, SplicedLoss.Recovered(2, 3, 6));
    }

    [Fact]
    public void Every_number_about_behaviour_is_that_of_the_logits_by_hand()
    {
        TokenContext context = Context(3, 1, 4, 1, 5, 9);
        double[] mean = [.. Enumerable.Range(0, 16).Select(i => i / 16.0)];
        CrossEntropyResult result = SplicedLoss.Measure(model, Last, x => x * 0.5 + 1, [[context], [Context(2, 7)]], mean: mean, cancellation: TestContext.Current.CancellationToken);
        double[][] original = Logs(context, null), spliced = Logs(context, x => x * 0.5 + 1), zero = Logs(context, x => x * 0), average = Logs(context, x => (x * 0) + tensor(mean).to(ScalarType.Float32));
        double[][] shortOriginal = Logs(Context(2, 7), null), shortSpliced = Logs(Context(2, 7), x => x * 0.5 + 1);
        double kl = Enumerable.Range(0, 5).Sum(t => Kl(original[t], spliced[t])) + Kl(shortOriginal[0], shortSpliced[0]);
        int agree = Enumerable.Range(0, 5).Count(t => Likeliest(original[t]) == Likeliest(spliced[t])) + (Likeliest(shortOriginal[0]) == Likeliest(shortSpliced[0]) ? 1 : 0);
        Assert.Equal(kl / 6, result.Numbers["kl_spliced"].Value!.Value, 5);
        Assert.Equal(agree / 6.0, result.Numbers["top1_agreement"].Value!.Value, 12);
        Assert.Equal(result.Spliced - result.Original, result.Numbers["ce_increase"].Value!.Value, 12);
        Assert.Equal(result.Recovered!.Value, result.Numbers["ce_recovered_zero"].Value!.Value, 12);
        CrossEntropyResult alone = SplicedLoss.Measure(model, Last, x => x * 0.5 + 1, [[context]], mean: mean, cancellation: TestContext.Current.CancellationToken);
        double ablated = -Enumerable.Range(0, 5).Average(t => average[t][context.Tokens[t + 1]]);
        Assert.Equal(ablated, alone.Numbers["ce_mean_ablation"].Value!.Value, 5);
        Assert.Equal((ablated - alone.Spliced) / (ablated - alone.Original), alone.Numbers["ce_recovered_mean"].Value!.Value, 4);
        Assert.Equal(Enumerable.Range(0, 5).Average(t => Kl(original[t], zero[t])), alone.Numbers["kl_zero_ablation"].Value!.Value, 5);
    }

    [Fact]
    public void What_is_replaced_by_itself_has_no_divergence_and_agrees()
    {
        CrossEntropyResult same = Measure(Last, x => x.alias(), [[Context(3, 1, 4, 1, 5)]]);
        Assert.Equal(0, same.Numbers["kl_spliced"].Value!.Value, 9);
        Assert.Equal(1, same.Numbers["top1_agreement"].Value);
        Assert.Null(same.Numbers["ce_mean_ablation"].Value);
        Assert.Contains("mean activation is not known", same.Numbers["ce_recovered_mean"].Undefined);
        Assert.Contains("one document", same.Numbers["ce_original"].NoInterval);
    }

    private static double Kl(double[] p, double[] q) => p.Zip(q).Sum(pair => Math.Exp(pair.First) * (pair.First - pair.Second));

    private static int Likeliest(double[] logs) => Array.IndexOf(logs, logs.Max());

    // ln p of every next token at every position.
    private double[][] Logs(TokenContext context, Func<Tensor, Tensor>? change)
    {
        using var scope = NewDisposeScope();
        Tensor tokens = tensor(context.Tokens.Select(id => (long)id).ToArray()).view(1, -1);
        Tensor logs = nn.functional.log_softmax(model.Forward(tokens, change is null ? null : (_, value) => change(value), Last).to(ScalarType.Float64), 2);
        return [.. Enumerable.Range(0, context.Length).Select(t => logs[0, t].data<double>().ToArray())];
    }

    private static TokenContext Context(params int[] tokens) => new(tokens, new int[tokens.Length], [.. Enumerable.Range(0, tokens.Length)]);

    private CrossEntropyResult Measure(HookPoint at, Func<Tensor, Tensor> reconstruct, IEnumerable<TokenContext[]> batches) =>
        SplicedLoss.Measure(model, at, reconstruct, batches, cancellation: TestContext.Current.CancellationToken);

    // -ln softmax of the next token at the given source positions, with the change made at real positions or everywhere.
    private double ByHand(TokenContext context, Func<Tensor, Tensor>? change, IEnumerable<int> sources, HookPoint? at = null, bool everywhere = false)
    {
        using var scope = NewDisposeScope();
        Tensor tokens = tensor(context.Tokens.Select(id => (long)id).ToArray()).view(1, -1);
        Tensor Changed(HookPoint point, Tensor value)
        {
            Tensor changed = value.clone();
            foreach (int position in Enumerable.Range(0, context.Length).Where(i => everywhere || context.Positions[i] >= 0)) changed[0, position] = change(value[0, position]);
            return changed;
        }
        Tensor logits = model.Forward(tokens, change is null ? null : Changed, at ?? Last);
        return sources.Average(source =>
        {
            double[] row = [.. Enumerable.Range(0, Vocabulary).Select(token => (double)logits[0, source, token].item<float>())];
            return Math.Log(row.Sum(Math.Exp)) - row[context.Tokens[source + 1]];
        });
    }
}
