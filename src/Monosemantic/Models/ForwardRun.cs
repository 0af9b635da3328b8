using Monosemantic.Runtime;
using static TorchSharp.torch;

namespace Monosemantic.Models;

/// <summary>What <c>forward</c> is asked for.</summary>
public sealed record ForwardConfig
{
    /// <summary>Token ids [b, t] or [t], under the key <c>input_ids</c> of a safetensors file.</summary>
    public required string Tokens { get; init; }

    /// <summary>Hook points whose values are wanted, in any accepted spelling.</summary>
    public IReadOnlyList<string> Hooks { get; init; } = [];

    /// <summary>Whether the logits are wanted too; they are the largest tensor by far.</summary>
    public bool Logits { get; init; }

    /// <summary>Sequences that go through the model at a time.</summary>
    public int Batch { get; init; } = 8;
}

/// <summary>What a forward run found, beside its tensors.</summary>
/// <param name="Model">The model's name.</param>
/// <param name="Sequences">Number of sequences, b.</param>
/// <param name="Length">Tokens in each, t.</param>
/// <param name="MeanLoss">Mean cross-entropy of the next token in nats; null where a sequence has one token.</param>
/// <param name="Shapes">Each tensor written and its shape.</param>
public sealed record ForwardSummary(string Model, long Sequences, long Length, double? MeanLoss, IReadOnlyDictionary<string, long[]> Shapes);

/// <summary>One pass of a model over given token ids, its inner values kept.</summary>
public static class ForwardRun
{
    /// <summary>The key of the token ids.</summary>
    public const string TokensKey = "input_ids";

    private const string LossKey = "loss_per_token";

    /// <summary>Runs the model and writes hook values, <c>loss_per_token</c> [b, t - 1] (nats) and, if wanted, <c>logits</c> [b, t, vocabulary].</summary>
    /// <param name="model">The model.</param>
    /// <param name="config">What is wanted.</param>
    /// <param name="output">The safetensors file to write.</param>
    /// <param name="progress">Told of each batch; null for nobody.</param>
    /// <param name="cancellation">Stops between two batches.</param>
    /// <exception cref="UserErrorException">The ids do not fit the model, or it lacks a hook point.</exception>
    public static ForwardSummary Execute(Transformer model, ForwardConfig config, string output, IProgress<ProgressReport>? progress = null, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(config);
        HookPoint[] points = [.. config.Hooks.Select(HookPoint.Parse).Distinct()];
        model.RequirePoints(points);
        using var gradients = no_grad();
        using var scope = NewDisposeScope();
        Tensor tokens = ReadTokens(config.Tokens);
        model.CheckTokens(tokens, source: $"{config.Tokens}: {TokensKey}");
        long sequences = tokens.shape[0];
        using var outputs = new Outputs(sequences);
        for (long start = 0; start < sequences; start += config.Batch)
        {
            cancellation.ThrowIfCancellationRequested();
            long count = Math.Min(config.Batch, sequences - start);
            Collect(model, points, tokens.narrow(0, start, count), config.Logits, (name, value) => outputs.Set(name, start, value));
            progress?.Report(new("forward", start + count, sequences, "sequences"));
        }
        SafetensorsWriter.Write(output, outputs.Tensors);
        Tensor losses = outputs.Tensors[LossKey];
        double? mean = losses.numel() == 0 ? null : losses.to(ScalarType.Float64).mean().item<double>();
        return new(model.Name, sequences, tokens.shape[1], mean, new SortedDictionary<string, long[]>(outputs.Tensors.ToDictionary(pair => pair.Key, pair => pair.Value.shape), StringComparer.Ordinal));
    }

    private static void Collect(Transformer model, HookPoint[] points, Tensor tokens, bool keepLogits, Action<string, Tensor> keep)
    {
        using var scope = NewDisposeScope();
        Tensor Read(HookPoint at, Tensor value)
        {
            keep(at.ToString(), value);
            return value;
        }
        Tensor logits = points.Length == 0 ? model.Forward(tokens) : model.Forward(tokens, Read, points);
        keep(LossKey, Transformer.LossPerToken(logits, tokens));
        if (keepLogits) keep("logits", logits);
    }

    private static Tensor ReadTokens(string path)
    {
        using SafetensorsFile file = SafetensorsFile.Open(path);
        SafetensorsEntry entry = file.Entry(TokensKey);
        if (entry.Element.Type is not (ScalarType.Int64 or ScalarType.Int32) || entry.Shape.Length is not (1 or 2) || entry.Shape.Any(size => size == 0))
        {
            throw new UserErrorException($"{path}: {TokensKey} is {entry.Element.Name} [{string.Join(", ", entry.Shape)}]; it must be I64 [sequences, tokens], none of them empty", "write whole sequences of one length");
        }
        Tensor tokens = file.Read(TokensKey).to(ScalarType.Int64);
        return tokens.dim() == 1 ? tokens.unsqueeze(0) : tokens;
    }

    /// <summary>The tensors to write, filled sequence by sequence, so that nothing is held twice.</summary>
    private sealed class Outputs(long sequences) : IDisposable
    {
        internal Dictionary<string, Tensor> Tensors { get; } = [];

        internal void Set(string name, long start, Tensor value)
        {
            if (!Tensors.TryGetValue(name, out Tensor? whole)) Tensors.Add(name, whole = empty([sequences, .. value.shape[1..]], value.dtype).DetachFromDisposeScope());
            using var scope = NewDisposeScope();
            whole.narrow(0, start, value.shape[0]).copy_(value);
        }

        public void Dispose()
        {
            foreach (Tensor tensor in Tensors.Values) tensor.Dispose();
        }
    }
}
