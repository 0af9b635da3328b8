using System.Collections.Concurrent;
using System.Collections.Immutable;
using Monosemantic.Dictionaries.Formats;
using Monosemantic.Runtime;
using TorchSharp;
using static TorchSharp.torch;

namespace Monosemantic.Dictionaries;

/// <summary>
/// A trained sparse autoencoder, always for inference. Raw activations go in: whatever scaling the training used is folded
/// into the weights. <c>using var sae = SparseAutoencoder.Load(folder); using var f = sae.Encode(x);</c>
/// </summary>
/// <remarks>May be used by several threads at once. Computes on the CPU in float32 whatever device the inputs are on.</remarks>
public sealed unsafe class SparseAutoencoder : IDisposable
{
    private const int RowsToARange = 64, MostKept = 1 << 21;

    // What collects codes, to be used again: a batch in fresh memory costs the collector a round over everything.
    private readonly ConcurrentBag<CodeBuilder> idle = [];
    private readonly SaeWeights weights;
    private readonly SaeArchitecture architecture;
    private readonly SaeEncoder encoder;
    private readonly int threads;

    internal SparseAutoencoder(SaeConfig config, SaeProvenance provenance, SaeWeights weights, int threads = 0)
    {
        (Config, Provenance, this.weights) = (config, provenance, weights);
        architecture = SaeArchitecture.Of(config.Architecture);
        this.threads = ParallelRanges.Threads(threads);
        encoder = new SaeEncoder(this.threads);
        WEnc = (architecture.IsTied ? weights.Decoder : weights.Encoder).t().DetachFromDisposeScope();
    }

    /// <summary>What it computes.</summary>
    public SaeConfig Config { get; }

    /// <summary>What it was made from.</summary>
    public SaeProvenance Provenance { get; }

    /// <summary>Encoder W_enc [d_model, d_sae], a view; owned by this object, not to be changed.</summary>
    public Tensor WEnc { get; }

    /// <summary>Encoder bias b_enc [d_sae], of the gate in a gated one; owned by this object, not to be changed.</summary>
    public Tensor BEnc => weights.BEnc;

    /// <summary>Decoder W_dec [d_sae, d_out], a row for each feature; owned by this object, not to be changed.</summary>
    public Tensor WDec => weights.Decoder;

    /// <summary>Decoder bias b_dec [d_out]; owned by this object, not to be changed.</summary>
    public Tensor BDec => weights.BDec;

    /// <summary>W_skip [d_out, d_model] of a skip transcoder, else null; owned by this object, not to be changed.</summary>
    public Tensor? WSkip => weights.Skip;

    /// <summary>All arrays by the names they have on disk; owned by this object, not to be changed.</summary>
    public ImmutableArray<KeyValuePair<string, Tensor>> Tensors => [.. SaeStorage.Named(Config, weights)];

    internal SaeWeights Weights => weights;

    /// <summary>Makes one from weights, which are copied.</summary>
    /// <param name="config">What it computes.</param>
    /// <param name="wEnc">W_enc [d_model, d_sae].</param>
    /// <param name="bEnc">b_enc [d_sae].</param>
    /// <param name="wDec">W_dec [d_sae, d_model].</param>
    /// <param name="bDec">b_dec [d_model].</param>
    /// <param name="provenance">What it was made from, if known.</param>
    /// <exception cref="UserErrorException">A value or shape does not fit.</exception>
    public static SparseAutoencoder FromWeights(SaeConfig config, Tensor wEnc, Tensor bEnc, Tensor wDec, Tensor bDec, SaeProvenance? provenance = null)
    {
        ArgumentNullException.ThrowIfNull(config);
        config.Check("the config");
        return FromTensors(config, [new("W_enc", wEnc), new(SaeArchitecture.Of(config.Architecture).BiasName, bEnc), new("W_dec", wDec), new("b_dec", bDec)], provenance);
    }

    /// <summary>Makes one from named tensors, which are copied.</summary>
    /// <param name="config">What it computes.</param>
    /// <param name="tensors">Exactly the tensors that the architecture has, under the names that they have on disk.</param>
    /// <param name="provenance">What it was made from, if known.</param>
    /// <exception cref="UserErrorException">A value, name or shape does not fit.</exception>
    public static SparseAutoencoder FromTensors(SaeConfig config, IReadOnlyCollection<KeyValuePair<string, Tensor>> tensors, SaeProvenance? provenance = null)
    {
        ArgumentNullException.ThrowIfNull(config);
        ArgumentNullException.ThrowIfNull(tensors);
        config.Check("the config");
        using var gradients = no_grad();
        var weights = new SaeWeights(SaeShape.Of(config));
        try
        {
            using DisposeScope scope = NewDisposeScope();
            KeyValuePair<string, Tensor>[] wanted = [.. SaeStorage.Named(config, weights)];
            string[] wrong = [.. wanted.Select(tensor => tensor.Key).Except(tensors.Select(tensor => tensor.Key)).Select(name => $"{name} is missing"), .. tensors.Select(tensor => tensor.Key).Except(wanted.Select(tensor => tensor.Key)).Select(name => $"{name} is not known")];
            if (wrong.Length > 0) throw new UserErrorException($"a {config.Architecture} autoencoder has other tensors: {string.Join("; ", wrong)}", $"give {string.Join(", ", wanted.Select(tensor => tensor.Key))}");
            foreach ((string name, Tensor to) in wanted)
            {
                Tensor from = tensors.First(tensor => tensor.Key == name).Value;
                CheckShape(name, from, to.shape);
                to.copy_(from);
            }
            return new SparseAutoencoder(config, provenance ?? new(), weights);
        }
        catch
        {
            weights.Dispose();
            throw;
        }
    }

    /// <summary>SHA-256 that stands for all files of an autoencoder: that of <c>sae.json</c>, which holds those of the others; of another tool's files, that of the list of theirs.</summary>
    /// <param name="path">The autoencoder's folder or file.</param>
    public static string ManifestHash(string path) => SaeFormat.Hash(path);

    /// <summary>Reads a folder that <see cref="Save"/> wrote, or the files of any other tool in <see cref="SaeFormat.All"/>.</summary>
    /// <param name="path">The folder, or a file of it.</param>
    /// <exception cref="UserErrorException">It is unfinished, damaged, of another version, or of no format that is known.</exception>
    public static SparseAutoencoder Load(string path) => SaeFormat.Load(path).Sae;

    /// <summary>Writes <c>sae.safetensors</c>, <c>probes.safetensors</c>, then <c>sae.json</c>. The same weights give the same bytes.</summary>
    /// <param name="folder">A folder, made if need be, that holds no sparse autoencoder yet.</param>
    /// <exception cref="UserErrorException">It already holds one, or cannot be written.</exception>
    public void Save(string folder) => SaeStorage.Save(folder, this);

    /// <summary>One whose decoder rows have length 1: what a row's length was goes into its feature's activation. The reconstruction stays the same. Source: SAELens, fold_W_dec_norm.</summary>
    /// <exception cref="UserErrorException">The weights are tied, so that the encoder cannot take the lengths.</exception>
    public SparseAutoencoder FoldDecoderNorms()
    {
        if (architecture.IsTied) throw new UserErrorException($"a {Config.Architecture} autoencoder decodes with its encoder; its norms cannot be folded", "leave it as it is");
        SaeWeights folded = weights.Copy();
        DecoderNorm.FoldIntoEncoder(folded, architecture);
        return new SparseAutoencoder(Config, Provenance, folded, threads);
    }

    /// <summary>Feature activations as a dense tensor.</summary>
    /// <param name="x">Activations [n, d_model].</param>
    /// <returns>f [n, d_sae], on the CPU.</returns>
    /// <exception cref="UserErrorException">The width is not d_model.</exception>
    public Tensor Encode(Tensor x)
    {
        SparseCode code = EncodeTensor(x);
        Tensor dense = zeros(code.Rows, Config.DSae, dtype: ScalarType.Float32);
        float* values = (float*)TensorMemory.Address(dense);
        for (int row = 0; row < code.Rows; row++)
        {
            ReadOnlySpan<int> features = code.FeaturesOf(row);
            ReadOnlySpan<float> activations = code.ValuesOf(row);
            for (int i = 0; i < features.Length; i++) values[((long)row * Config.DSae) + features[i]] = activations[i];
        }
        return dense;
    }

    /// <summary>Reconstruction from dense feature activations, which need not come from <see cref="Encode"/>; without skip connection and without undoing an input normalisation, as both need x.</summary>
    /// <param name="f">Feature activations [n, d_sae].</param>
    /// <returns>x_hat [n, d_out], on the CPU.</returns>
    /// <exception cref="UserErrorException">The width is not d_sae.</exception>
    public Tensor Decode(Tensor f)
    {
        CheckShape(nameof(f), f, -1, Config.DSae);
        using var gradients = no_grad();
        using DisposeScope scope = NewDisposeScope();
        return addmm(BDec, f.to(ScalarType.Float32, CPU), WDec, beta: 1f, alpha: 1f).MoveToOuterDisposeScope();
    }

    /// <summary>x_hat for activations, over the features that fire.</summary>
    /// <param name="x">Activations [n, d_model].</param>
    /// <returns>x_hat [n, d_out], on the CPU.</returns>
    /// <exception cref="UserErrorException">The width is not d_model.</exception>
    public Tensor Reconstruct(Tensor x)
    {
        CheckShape(nameof(x), x, -1, Config.DModel);
        using var gradients = no_grad();
        using DisposeScope scope = NewDisposeScope();
        Tensor local = x.detach().to(ScalarType.Float32, CPU).contiguous();
        int rows = (int)local.shape[0];
        SparseCode code = EncodeSparse(TensorMemory.Floats(local), rows);
        Tensor output = empty(rows, Config.Outputs, dtype: ScalarType.Float32);
        Decode(code, TensorMemory.Floats(output));
        if (WSkip is { } skip) output.addmm_(local, skip.t(), beta: 1f, alpha: 1f);
        if (Config.InputNormalisation != InputNormalisation.None) InputScaler.Undo(InputScaler.Apply(Config.InputNormalisation, TensorMemory.Floats(local.clone()), Config.DModel), TensorMemory.Floats(output), Config.Outputs);
        return output.MoveToOuterDisposeScope();
    }

    /// <summary>Feature activations as a compressed code: the fast way in.</summary>
    /// <param name="values">Activations [rows, d_model], row-major.</param>
    /// <param name="rows">Number of tokens.</param>
    /// <exception cref="ArgumentException">There are fewer values than rows need.</exception>
    public SparseCode EncodeSparse(ReadOnlySpan<float> values, int rows)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(rows);
        if (values.Length < (long)rows * Config.DModel) throw new ArgumentException($"{values.Length} values are not {rows} rows of {Config.DModel}", nameof(values));
        using DisposeScope scope = NewDisposeScope();
        if (rows == 0) return new CodeBuilder().Join(0, Config.DSae);
        if (!idle.TryTake(out CodeBuilder? builder)) builder = new();
        Tensor centred = empty(rows, Config.DModel, dtype: ScalarType.Float32);
        Span<float> inputs = TensorMemory.Floats(centred);
        values[..inputs.Length].CopyTo(inputs);
        InputScaler.Apply(Config.InputNormalisation, inputs, Config.DModel);
        if (Config.SubtractBDec) Centre((float*)TensorMemory.Address(centred), rows);
        if (architecture.IsTied) MatchingPursuit.Encode(centred, weights, Config.K, Config.ResidualThreshold, threads, builder);
        else encoder.Encode(centred, weights.Encoder, architecture.Selector(Config, weights), builder, afterTile: architecture.ChangesPre ? Activate : null);
        SparseCode code = builder.Join(rows, Config.DSae);
        builder.GiveAway();
        if (code.Count <= MostKept) idle.Add(builder);
        return code;
    }

    /// <summary>Reconstruction from a code: the fast way out.</summary>
    /// <param name="code">Feature activations of n tokens.</param>
    /// <param name="output">Receives x_hat [n, d_out], row-major.</param>
    /// <exception cref="ArgumentException">The code is of another dictionary, or the output is too short.</exception>
    public void Decode(SparseCode code, Span<float> output)
    {
        ArgumentNullException.ThrowIfNull(code);
        if (code.DSae != Config.DSae) throw new ArgumentException($"the code is over {code.DSae} features, not {Config.DSae}", nameof(code));
        if (output.Length < (long)code.Rows * Config.Outputs) throw new ArgumentException($"{output.Length} places are not {code.Rows} rows of {Config.Outputs}", nameof(output));
        fixed (float* first = output) SparseDecode.Rows(code, first, weights.DecoderAt, weights.BDecAt, Config.Outputs, threads);
    }

    private SparseCode EncodeTensor(Tensor x)
    {
        CheckShape(nameof(x), x, -1, Config.DModel);
        using DisposeScope scope = NewDisposeScope();
        Tensor local = x.detach().to(ScalarType.Float32, CPU).contiguous();
        return EncodeSparse(TensorMemory.Floats(local), (int)local.shape[0]);
    }

    // Turns pre-activations into feature activations and drops those that are 0.
    private void Activate(TileEntries entries, int start, int rows)
    {
        int left = 0, entry = 0;
        for (int row = 0; row < rows; row++)
        {
            for (; entry < entries.RowEnds[row]; entry++)
            {
                float value = architecture.Activate(weights, entries.Features[entry], entries.Pres[entry]);
                if (value == 0) continue;
                (entries.Features[left], entries.Pres[left], entries.Values[left]) = (entries.Features[entry], entries.Pres[entry], value);
                left++;
            }
            entries.RowEnds[row] = left;
        }
        entries.Truncate(left);
    }

    private void Centre(float* inputs, int rows)
    {
        int width = Config.DModel;
        nint at = (nint)inputs;
        ParallelRanges.For(rows, RowsToARange, threads, (start, end) =>
        {
            for (long row = start; row < end; row++) RowKernels.Subtract((float*)at + (row * width), (float*)at + (row * width), weights.BDecAt, width);
        });
    }

    private static void CheckShape(string name, Tensor tensor, params ReadOnlySpan<long> shape)
    {
        bool fits = tensor.dim() == shape.Length;
        for (int i = 0; fits && i < shape.Length; i++) fits = shape[i] < 0 || tensor.shape[i] == shape[i];
        if (fits) return;
        string wanted = string.Join(", ", shape.ToArray().Select(size => size < 0 ? "n" : size.ToString()));
        throw new UserErrorException($"{name} is [{string.Join(", ", tensor.shape)}]; it must be [{wanted}]", "pass activations of the model and hook point that this autoencoder was trained on");
    }

    /// <summary>Frees the weights.</summary>
    public void Dispose()
    {
        WEnc.Dispose();
        encoder.Dispose();
        weights.Dispose();
    }
}
