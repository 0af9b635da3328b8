using Monosemantic.Dictionaries;
using Monosemantic.Runtime;
using TorchSharp;
using static TorchSharp.torch;

namespace Monosemantic.Training;

/// <summary>The forward pass of a training step: inputs to code to errors.</summary>
internal sealed unsafe class SaeForward : IDisposable
{
    private const int RowsToARange = 64;
    private const int GuessRows = 32;
    private readonly SaeTrainingConfig config;
    private readonly TrainingRule rule;
    private readonly SaeWeights weights;
    private readonly int threads;
    private readonly Tensor inputs, centred, targets;
    private readonly Tensor? bases;
    private readonly float* norms;
    private readonly CodeBuilder builder = new();
    private readonly BatchCut cut = new();
    private readonly bool hasPres;

    internal SaeForward(SaeTrainingConfig config, TrainingRule rule, SaeWeights weights, int threads, bool separateTargets)
    {
        (this.config, this.rule, this.weights, this.threads) = (config, rule, weights, threads);
        inputs = Reconstruction.NewRows(config.Batch, weights.DIn);
        targets = separateTargets ? Reconstruction.NewRows(config.Batch, weights.DOut) : inputs;
        SubtractsBDec = config.SubtractBDec && !separateTargets;
        centred = SubtractsBDec ? Reconstruction.NewRows(config.Batch, weights.DIn) : inputs;
        bases = weights.Shape.Skip || (weights.Shape.Tied && !SubtractsBDec) ? Reconstruction.NewRows(config.Batch, weights.DOut) : null;
        norms = rule.NeedsNorms ? weights.NewScratch() : null;
        Widths = config.LevelWidths();
        Reconstruction = new Reconstruction(weights, config.Batch, Widths, rule.HasSecond);
        Encoder = new SaeEncoder(threads);
        Entries = new FeatureEntries(config.DSae);
        Traces = new PursuitTrace[rule.IsPursuit ? config.Batch : 0];
        hasPres = rule.HasSecond || rule.CanBeDense;
        Step.RowPowers = new double[config.Batch];
        Step.NextRowPowers = new double[config.Batch];
    }

    internal SaeEncoder Encoder { get; }

    internal Reconstruction Reconstruction { get; }

    internal FeatureEntries Entries { get; }

    internal int[] Widths { get; }

    internal PursuitTrace[] Traces { get; }

    internal StepContext Step { get; } = new();

    internal int Rows { get; private set; }

    internal SparseCode? Code { get; private set; }

    /// <summary>What inputs are whitened by; null for nothing.</summary>
    internal Whitening? Whitening { get; set; }

    private bool SubtractsBDec { get; }

    internal Span<float> Inputs => new(At(inputs), Rows * weights.DIn);

    internal Span<float> Targets => new(At(targets), Rows * weights.DOut);

    /// <summary>Inputs less b_dec, where that is subtracted [n, d_in].</summary>
    internal Tensor Centred => centred.narrow(0, 0, Rows);

    internal Tensor TargetRows => targets.narrow(0, 0, Rows);

    internal Tensor Residual => Reconstruction.Residual.narrow(0, 0, Rows);

    /// <summary>What reconstructions start from [n, d_out], or null for b_dec.</summary>
    internal Tensor? Bases => bases?.narrow(0, 0, Rows);

    /// <summary>Takes a batch.</summary>
    internal (int Row, int Column)? Load(float[] values, int rows, double scale, float[]? outputs, double outputScale)
    {
        Rows = rows;
        (int, int)? bad = Copy(values, At(inputs), rows, weights.DIn, scale);
        if (config.InputScaling == InputScaling.LayerNorm) InputScaler.Apply(InputNormalisation.LayerNorm, Inputs, weights.DIn);
        Whitening?.Apply(inputs.narrow(0, 0, rows));
        return bad is null && outputs is not null ? Copy(outputs, At(targets), rows, weights.DOut, outputScale) : bad;
    }

    /// <summary>Sum of squared distances of the targets from their mean.</summary>
    internal double Variance() => MatrixStatistics.SumSquaredDeviations(At(targets), Rows, weights.DOut, threads);

    /// <summary>Sets what changes from step to step.</summary>
    internal StepContext Begin(long step, SparsitySchedule sparsity)
    {
        Step.Rows = Rows;
        Step.K = config.KAt(step, weights.DIn);
        Step.Sparsity = sparsity.At(step);
        Step.Power = sparsity.Power;
        Step.NextPower = sparsity.NextPower;
        Step.Norms = norms;
        if (norms != null) DecoderNorm.Lengths(weights, rule.Options.Sites, norms, threads);
        Centre();
        FillBases();
        return Step;
    }

    /// <summary>Encodes and decodes.</summary>
    /// <param name="step">Where training stands.</param>
    /// <param name="most">Entries that are too many.</param>
    /// <returns>False where the code is not sparse; nothing was decoded then.</returns>
    internal bool Run(StepContext step, long most)
    {
        Code = null;
        if (rule.IsPursuit)
        {
            MatchingPursuit.Encode(Centred, weights, (int)step.K, config.ResidualThreshold, threads, builder, Traces);
            DecodeTiles(step);
        }
        else if (rule.SelectsBatch)
        {
            SelectBatch(step);
            DecodeTiles(step);
        }
        else if (!Encoder.Encode(Centred, weights.Encoder, rule.Selector(step), builder, most, (tile, start, rows) => Decode(tile, start, rows, step)))
        {
            return false;
        }
        Code = builder.Join(Rows, config.DSae, hasPres);
        Entries.Transpose(Code, hasPres ? builder.Pres : null);
        return true;
    }

    /// <summary>Entries whose feature activation is not 0.</summary>
    internal long FiredEntries()
    {
        if (!hasPres) return Code!.Count;
        long count = 0;
        foreach (float value in Code!.Values.AsSpan(0, Code.Count)) if (value != 0) count++;
        return count;
    }

    /// <summary>The mean loss of the batch with the exponent that annealing will bring next; 0 where there is none.</summary>
    internal double NextPowerLoss()
    {
        if (Step.NextPower is not { } power) return 0;
        double sum = 0;
        for (int row = 0; row < Rows; row++)
        {
            double total = Step.NextRowPowers[row];
            sum += rule.Options.Sparsity == SparsityLoss.Lp && total > 0 ? Math.Pow(total, 1 / power) : total;
        }
        return sum / Rows;
    }

    /// <summary>Gradient of W_skip: error' x, in blocks of output rows.</summary>
    internal void SkipGradient(Tensor into, Tensor residual, float scale)
    {
        Tensor error = residual.narrow(0, 0, Rows), x = inputs.narrow(0, 0, Rows);
        Blocks(weights.DOut, (start, end) => into.narrow(0, start, end - start).addmm_(error.narrow(1, start, end - start).t(), x, beta: 0f, alpha: scale));
    }

    private (int, int)? Copy(float[] values, float* to, int rows, int width, double scale)
    {
        var broken = new bool[(rows + RowsToARange - 1) / RowsToARange];
        nint target = (nint)to;
        ParallelRanges.For(rows, RowsToARange, threads, (start, end) =>
        {
            int count = (end - start) * width;
            fixed (float* from = &values[start * width])
            {
                RowKernels.Scale((float*)target + ((long)start * width), from, (float)scale, count);
                broken[start / RowsToARange] = !RowKernels.AllFinite(from, count);
            }
        });
        int range = Array.IndexOf(broken, true);
        if (range < 0) return null;
        int at = Array.FindIndex(values, range * RowsToARange * width, value => !float.IsFinite(value));
        return (at / width, at % width);
    }

    private void Centre()
    {
        if (!SubtractsBDec) return;
        nint x = (nint)At(inputs), to = (nint)At(centred);
        int width = weights.DIn;
        ParallelRanges.For(Rows, RowsToARange, threads, (start, end) =>
        {
            for (long row = start; row < end; row++) RowKernels.Subtract((float*)to + (row * width), (float*)x + (row * width), weights.BDecAt, width);
        });
    }

    // A tied reconstruction has b_dec only where it was subtracted; a skip connection adds its own part to it.
    private void FillBases()
    {
        if (bases is null) return;
        if (weights.Skip is not { } skip)
        {
            bases.zero_();
            return;
        }
        Blocks(Rows, (start, end) =>
        {
            Tensor part = bases.narrow(0, start, end - start);
            part.copy_(weights.BDec.unsqueeze(0).expand(end - start, weights.DOut));
            part.addmm_(inputs.narrow(0, start, end - start), skip.t(), beta: 1f, alpha: 1f);
        });
    }

    private void SelectBatch(StepContext step)
    {
        float* scales = rule.Options.RankByNorm ? norms : null;
        long keep = (long)(step.K * Rows);
        if (cut.Bar == 0) Guess(step, scales);
        while (true)
        {
            step.Bar = cut.Bar;
            Encoder.Encode(Centred, weights.Encoder, rule.Selector(step), builder);
            if (cut.Apply(builder, keep, scales)) return;
            cut.Lower();
        }
    }

    // Without a bar every positive pre-activation of the batch would be a candidate: a few rows give a first one.
    private void Guess(StepContext step, float* scales)
    {
        int rows = Math.Min(GuessRows, Rows);
        step.Bar = 0;
        Encoder.Encode(centred.narrow(0, 0, rows), weights.Encoder, rule.Selector(step), builder);
        var ranks = new List<ulong>();
        TileEntries tile = builder.Tile(0);
        for (int i = 0; i < tile.Count; i++) ranks.Add(RankOrder.Key(scales == null ? tile.Pres[i] : tile.Pres[i] * scales[tile.Features[i]], i));
        cut.Guess(ranks, (int)Math.Min(step.K * rows, int.MaxValue));
    }

    private void DecodeTiles(StepContext step) => ParallelRanges.For(builder.TileCount, 1, threads, (tile, _) =>
    {
        TileEntries entries = builder.Tile(tile);
        Decode(entries, builder.FirstRow(tile), entries.RowEnds.Count, step);
    });

    private void Decode(TileEntries tile, int start, int rows, StepContext step)
    {
        bool powers = rule.Options.Sparsity == SparsityLoss.Lp && step.Power != 1;
        int at = 0;
        for (int row = 0; row < rows; row++)
        {
            int end = tile.RowEnds[row];
            rule.Activate(tile.Features + at, tile.Pres + at, tile.Values + at, end - at, step);
            float* penalised = (rule.PenalisesPres ? tile.Pres : tile.Values) + at;
            if (powers) step.RowPowers[start + row] = SparsityTerm.RowPower(rule.Options, tile.Features + at, penalised, end - at, step, step.Power);
            if (step.NextPower is { } next) step.NextRowPowers[start + row] = SparsityTerm.RowPower(rule.Options, tile.Features + at, penalised, end - at, step, next);
            at = end;
        }
        Reconstruction.Decode(tile, start, rows, At(targets), bases is null ? null : At(bases));
    }

    private void Blocks(int count, Action<int, int> body) => ParallelRanges.For(count, RowsToARange, threads, (start, end) =>
    {
        using DisposeScope scope = NewDisposeScope();
        using ProductThreads.Lease single = ProductThreads.Single();
        body(start, end);
    });

    private static float* At(Tensor tensor) => (float*)TensorMemory.Address(tensor);

    /// <summary>Frees all memory.</summary>
    public void Dispose()
    {
        if (!ReferenceEquals(centred, inputs)) centred.Dispose();
        if (!ReferenceEquals(targets, inputs)) targets.Dispose();
        inputs.Dispose();
        bases?.Dispose();
        Reconstruction.Dispose();
        Encoder.Dispose();
    }
}
