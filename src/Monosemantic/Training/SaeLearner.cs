using System.Collections.Immutable;
using Monosemantic.Dictionaries;
using Monosemantic.Runtime;
using TorchSharp;
using static TorchSharp.torch;

namespace Monosemantic.Training;

/// <summary>
/// The arithmetic of training: <see cref="Load"/> a batch, <see cref="Compute"/> losses and gradients, <see cref="Update"/>
/// the weights. Everything after the encoder product touches only the features that fire. Equal bits for any number of threads.
/// </summary>
internal sealed unsafe class SaeLearner : IDisposable
{
    // Above this share of entries dense products are cheaper than sparse ones.
    private const double DenseShare = 0.1;
    private readonly SaeTrainingConfig config;
    private readonly SaeForward forward;
    private readonly SparseBackward backward;
    private readonly PursuitPass? pursuit;
    private readonly SaeOptimiser optimiser;
    private readonly DensePass? dense;
    private readonly AuxiliaryLoss[] auxiliaries;
    private readonly GhostGradients? ghosts;
    private readonly int threads;

    internal SaeLearner(SaeTrainingConfig config, int dModel, int threads = 0, int? dOut = null, int sites = 1)
    {
        this.threads = ParallelRanges.Threads(threads);
        // A transcoder's inputs and outputs are of different sites: there is no common bias to subtract.
        this.config = config = dOut is null ? config : config with { SubtractBDec = false };
        SaeArchitecture architecture = SaeArchitecture.Of(config.Architecture);
        var shape = new SaeShape(dModel, config.DSae, dOut ?? dModel, architecture.FeatureTensors.Length, config.SkipConnection, architecture.IsTied);
        (Weights, Gradients, Means, Squares) = (new(shape), new(shape), new(shape), new(shape));
        Rule = architecture.NewRule(config.RuleOptions(sites), Weights);
        Sparsity = new SparsitySchedule(config);
        Firing = new FiringCounts(config);
        Threshold = new BatchThreshold(config.BatchThreshold, config.TotalSteps);
        forward = new SaeForward(config, Rule, Weights, this.threads, separateTargets: dOut is not null);
        auxiliaries = [.. Enumerable.Range(0, config.Matryoshka.AuxPerLevel ? forward.Widths.Length : 1).Select(_ => new AuxiliaryLoss(config, shape.DOut, this.threads, forward.Encoder))];
        backward = new SparseBackward(this.config, Rule, Weights, Gradients, this.threads);
        optimiser = new SaeOptimiser(config, this.threads);
        if (Rule.CanBeDense) dense = new DensePass(config, Rule, Weights, Gradients, forward.Reconstruction, backward, this.threads);
        if (Rule.IsPursuit) pursuit = new PursuitPass(Weights, Gradients, this.threads);
        if (config.Resampling is not null) Resampling = new Resampler(config, new(Weights, Gradients, Means, Squares));
        if (config.GhostGradients > 0) ghosts = new GhostGradients(config, Weights, Gradients);
    }

    internal SaeWeights Weights { get; }

    internal SaeWeights Gradients { get; }

    /// <summary>The optimiser's means of gradients.</summary>
    internal SaeWeights Means { get; }

    /// <summary>Adam's means of squared gradients.</summary>
    internal SaeWeights Squares { get; }

    internal TrainingRule Rule { get; }

    internal SparsitySchedule Sparsity { get; }

    internal FiringCounts Firing { get; }

    /// <summary>Replaces dead features; null where that is not asked for.</summary>
    internal Resampler? Resampling { get; }

    /// <summary>What inputs are whitened by, owned from then on; null for nothing.</summary>
    internal Whitening? Whitening
    {
        get => forward.Whitening;
        set => forward.Whitening = value;
    }

    /// <summary>What a batch-wide selection becomes token by token.</summary>
    internal BatchThreshold Threshold { get; }

    /// <summary>Updates made so far.</summary>
    internal long Updates { get; set; }

    /// <summary>Length of the whole gradient that <see cref="Compute"/> left.</summary>
    internal double GradientNorm { get; private set; }

    /// <summary>The code of the batch, for tests; valid until the next one. Null where the batch was dense.</summary>
    internal SparseCode? Code => forward.Code;

    /// <summary>The batch's rows, scaled [n, d_model].</summary>
    internal Span<float> Inputs => forward.Inputs;

    /// <summary>The batch's targets, scaled [n, d_out].</summary>
    internal Span<float> Targets => forward.Targets;

    /// <summary>x_hat - target [n, d_out].</summary>
    internal ReadOnlySpan<float> Residual => new(forward.Reconstruction.ResidualAt, Rows * Weights.DOut);

    /// <summary>The same of the second reconstruction; empty where there is none.</summary>
    internal ReadOnlySpan<float> SecondResidual => new(forward.Reconstruction.SecondAt, Rule.HasSecond ? Rows * Weights.DOut : 0);

    /// <summary>Squared error of each token.</summary>
    internal double[] SquaredErrors => forward.Reconstruction.SquaredErrors;

    internal int Rows => forward.Rows;

    /// <summary>Makes every batch go the dense way, for tests; null to go by the share of entries.</summary>
    internal bool? AlwaysDense { get; set; }

    /// <summary>Which features took part in the batch [d_sae]; the gradient rows of the others are not written, and count as zero.</summary>
    internal ReadOnlySpan<bool> Touched => backward.Touched;

    /// <summary>Takes a batch.</summary>
    /// <param name="values">Activations [rows, d_model].</param>
    /// <param name="rows">Number of tokens, 1 to the config's batch.</param>
    /// <param name="scale">What to multiply them by.</param>
    /// <param name="targets">What a transcoder is to predict [rows, d_out].</param>
    /// <param name="targetScale">What to multiply that by.</param>
    /// <returns>The first row and column that is not a finite number, or null.</returns>
    internal (int Row, int Column)? Load(float[] values, int rows, double scale, float[]? targets = null, double targetScale = 1) => forward.Load(values, rows, scale, targets, targetScale);

    /// <summary>Losses and gradients of the batch that was loaded; also counts which features fired.</summary>
    /// <param name="dead">Which features count as dead, for tests; null to go by the counters.</param>
    internal BatchLosses Compute(bool[]? dead = null)
    {
        using DisposeScope scope = NewDisposeScope();
        double variance = forward.Variance(), factor = config.LossNormalisation == ErrorNormalisation.None ? 1.0 / Rows : Reciprocal(variance);
        StepContext step = forward.Begin(Updates, Sparsity);
        bool[]? before = dead ?? (config.DeadBeforeBatch || config.JumpRelu.PreActCoefficient > 0 ? Firing.Dead() : null);
        step.Dead = before;
        Rule.Prepare(step);
        long most = Rule.CanBeDense ? (AlwaysDense ?? false) ? -1 : AlwaysDense is null ? (long)(DenseShare * Rows * config.DSae) : long.MaxValue : long.MaxValue;
        bool sparse = most >= 0 && forward.Run(step, most);
        double[] levels = Scales(factor);
        double[] through;
        AuxiliaryTerm?[] aux = [];
        int deadCount;
        if (sparse)
        {
            bool[] fired = FiringCounts.Fired(forward.Entries, config.DSae);
            int[] deadFeatures = CountDead(before, fired);
            deadCount = deadFeatures.Length;
            aux = Auxiliary(step, deadFeatures, variance);
            SetL0Slope(step, forward.FiredEntries());
            through = Rule.IsPursuit ? BackThroughPursuit(levels[0]) : BackThroughCode(step, levels, factor, aux);
        }
        else
        {
            SetDenseL0Slope(step);
            through = dense!.Run(forward.Centred, forward.TargetRows, forward.Bases, step, (float)levels[^1], (float)SecondScale(factor));
            deadCount = CountDead(before, dense.Counts.Fired).Length;
        }
        BiasGradients(through, levels, factor, aux, sparse);
        double ghost = ghosts?.Add(forward.Centred, forward.Residual, before ?? Firing.Dead(), backward) ?? 0;
        GradientNorm = Math.Sqrt(Norm());
        return Losses(step, factor, variance, aux, ghost, sparse ? forward.FiredEntries() : dense!.Counts.Active, deadCount);
    }

    /// <summary>Clips the gradient and takes one step of the optimiser.</summary>
    /// <param name="lr">Learning rate.</param>
    internal void Update(double lr)
    {
        if (forward.Code is { } code && (Rule.SelectsBatch || config.Architecture == "topk")) Threshold.Update(code, config.RescaleByDecoderNorm ? forward.Step.Norms : null, Updates, perToken: !Rule.SelectsBatch);
        Updates++;
        double clip = config.ClipGradNorm > 0 ? Math.Min(1, config.ClipGradNorm / (GradientNorm + 1e-6)) : 1;
        optimiser.Update(new(Weights, Gradients, Means, Squares), backward.Touched, lr, Updates, clip);
        Resampling?.AfterStep(Updates - 1, Code is null ? dense!.Counts.Fired : FiringCounts.Fired(forward.Entries, config.DSae), Inputs, SquaredErrors, Rows);
    }

    // A sparsity loss and a threshold with a gradient have other means against dead features.
    private bool HasAuxiliary => config.AuxCoefficient > 0 && !Rule.IsPursuit && !Rule.CanBeDense;

    // dL/dx_hat over the error, for each level of nesting.
    private double[] Scales(double factor)
    {
        int levels = forward.Reconstruction.Levels;
        return [.. Enumerable.Range(0, levels).Select(level => 2 * factor * config.LevelWeight(level, levels))];
    }

    private double SecondScale(double factor) => 2 * factor * (config.MultiTopK > 1 ? config.MultiTopKWeight : 1);

    private int[] CountDead(bool[]? before, bool[] fired)
    {
        Firing.Count(fired, Rows);
        bool[] dead = before ?? Firing.Dead();
        return [.. Enumerable.Range(0, config.DSae).Where(feature => dead[feature])];
    }

    // Before the levels' errors are added up.
    private AuxiliaryTerm?[] Auxiliary(StepContext step, int[] dead, double variance)
    {
        if (!HasAuxiliary) return [null];
        float* norms = config.RescaleByDecoderNorm ? step.Norms : null;
        if (auxiliaries.Length == 1) return [auxiliaries[0].Compute(forward.Centred, forward.Residual, Weights, norms, dead, variance)];
        var terms = new AuxiliaryTerm?[auxiliaries.Length];
        for (int level = 0; level < terms.Length; level++)
        {
            int from = level == 0 ? 0 : forward.Widths[level - 1], to = forward.Widths[level];
            terms[level] = auxiliaries[level].Compute(forward.Centred, forward.Reconstruction.ResidualOf(level).narrow(0, 0, Rows), Weights, norms, [.. dead.Where(feature => feature >= from && feature < to)], variance);
        }
        return terms;
    }

    private double[] BackThroughCode(StepContext step, double[] levels, double factor, AuxiliaryTerm?[] aux)
    {
        Reconstruction errors = forward.Reconstruction;
        errors.Accumulate(levels, Rows, threads);
        Pull[] pulls = [.. Enumerable.Range(0, errors.Levels).Select(level => errors.PullOf(level, levels)).Select(pull => new Pull(pull.Residual, pull.Scale))];
        bool trainsDecoder = config.MultiTopK > 1 || config.GateTrainsDecoder;
        return backward.Run(new()
        {
            Entries = forward.Entries,
            Step = step,
            Pulls = pulls,
            Widths = forward.Widths,
            Second = Rule.HasSecond ? new Pull((nint)errors.SecondAt, (float)SecondScale(factor), trainsDecoder) : null,
            Auxiliary = aux,
            Inputs = (float*)TensorMemory.Address(forward.Centred),
        });
    }

    private double[] BackThroughPursuit(double scale)
    {
        Gradients.Decoder.zero_();
        Array.Clear(backward.Touched);
        double[] through = pursuit!.Run(forward.Traces.AsSpan(0, Rows).ToArray(), (float*)TensorMemory.Address(forward.Centred), forward.Reconstruction.ResidualAt, (float)scale, backward.Touched);
        for (int feature = 0; feature < config.DSae; feature++)
        {
            var none = default(FeatureSums);
            backward.Finish(feature, 0, (long)feature * Weights.DOut, ref none);
        }
        return config.SubtractBDec ? through : [];
    }

    private void BiasGradients(double[] through, double[] levels, double factor, AuxiliaryTerm?[] aux, bool sparse)
    {
        Reconstruction errors = forward.Reconstruction;
        (nint first, float scale) = sparse ? errors.PullOf(0, levels) : ((nint)errors.ResidualAt, (float)levels[^1]);
        double[] bias = Sums(first, scale);
        if (Rule.HasSecond && (config.MultiTopK > 1 || config.GateTrainsDecoder)) Add(bias, Sums((nint)errors.SecondAt, SecondScale(factor)), 1);
        foreach (AuxiliaryTerm term in aux.OfType<AuxiliaryTerm>()) if (config.AuxAddsBDec) Add(bias, Sums(term.Pull.Residual, term.Pull.Scale), 1);
        // b_dec is subtracted from every input, so the encoder's part of its gradient is minus that of the inputs.
        if (config.SubtractBDec) Add(bias, through, -1);
        if (Rule.IsPursuit && !config.SubtractBDec) Array.Clear(bias);
        for (int i = 0; i < bias.Length; i++) Gradients.BDecAt[i] = (float)bias[i];
        if (Gradients.Skip is { } skip) forward.SkipGradient(skip, errors.Residual, (float)levels[^1]);

        double[] Sums(nint rows, double by) => Array.ConvertAll(MatrixStatistics.ColumnSums((float*)rows, Rows, Weights.DOut, threads), value => value * by);
    }

    private double Norm()
    {
        double square = backward.Squares.Sum();
        for (int i = 0; i < Weights.DOut; i++) square += (double)Gradients.BDecAt[i] * Gradients.BDecAt[i];
        if (Gradients.Skip is { } skip) square += skip.pow(2).sum(ScalarType.Float64).item<double>();
        return square;
    }

    // The derivative of the loss by one token's number of firing features.
    private void SetL0Slope(StepContext step, long fired) => step.L0Slope = Rule.Options.Sparsity switch
    {
        SparsityLoss.Step => step.Sparsity / Rows,
        SparsityLoss.TargetL0 => 2 * step.Sparsity * ((fired / (double)Rows / Rule.Options.TargetL0) - 1) / Rule.Options.TargetL0 / Rows,
        _ => 0,
    };

    // The number is needed before the gradients: the dense way finds it with a first run.
    private void SetDenseL0Slope(StepContext step)
    {
        if (Rule.Options.Sparsity == SparsityLoss.TargetL0) _ = dense!.Run(forward.Centred, forward.TargetRows, forward.Bases, step, 0, 0);
        SetL0Slope(step, dense!.Counts.Active);
    }

    private BatchLosses Losses(StepContext step, double factor, double variance, AuxiliaryTerm?[] aux, double ghost, long active, int dead)
    {
        Reconstruction errors = forward.Reconstruction;
        double error = errors.SquaredError(errors.Levels - 1, Rows), penalty = backward.Sums.Sum(sum => sum.Penalty), pull = backward.Sums.Sum(sum => sum.PreAct);
        double l0 = active / (double)Rows, auxLoss = aux.Sum(term => term?.Loss ?? 0);
        penalty += Rule.Options.Sparsity switch
        {
            SparsityLoss.Step => step.Sparsity * l0,
            SparsityLoss.TargetL0 => step.Sparsity * Math.Pow((l0 / Rule.Options.TargetL0) - 1, 2),
            _ => 0,
        };
        ImmutableArray<LossTerm>.Builder terms = ImmutableArray.CreateBuilder<LossTerm>();
        terms.Add(new("reconstruction", factor * config.LevelWeight(errors.Levels - 1, errors.Levels) * error));
        for (int level = 0; level < errors.Levels - 1; level++) terms.Add(new($"reconstruction_{forward.Widths[level]}", factor * config.LevelWeight(level, errors.Levels) * errors.SquaredError(level, Rows)));
        if (Rule.HasSecond) terms.Add(new(config.MultiTopK > 1 ? "multi_topk" : "gate_reconstruction", factor * (config.MultiTopK > 1 ? config.MultiTopKWeight : 1) * errors.SecondSquaredError(Rows)));
        if (Rule.Options.Sparsity != SparsityLoss.None) terms.Add(new("sparsity", penalty));
        if (Rule.Options.PreActCoefficient > 0) terms.Add(new("pre_act", pull));
        if (HasAuxiliary) terms.Add(new("aux", config.AuxCoefficient * auxLoss));
        if (ghosts is not null) terms.Add(new("ghost", ghost));
        Sparsity.Tune(Updates, l0);
        if (config.Sparsity.PAnnealing is not null) Sparsity.Record(Updates, penalty / Math.Max(step.Sparsity, double.Epsilon), forward.NextPowerLoss());
        return new(terms.Sum(term => term.Value), error, auxLoss, variance, (int)Math.Min(active, int.MaxValue), dead, terms.ToImmutable());
    }

    private static double Reciprocal(double value) => value > 0 ? 1 / value : 0;

    private static void Add(double[] to, double[] values, double scale)
    {
        for (int i = 0; i < values.Length; i++) to[i] += values[i] * scale;
    }

    /// <summary>Frees all memory.</summary>
    public void Dispose()
    {
        foreach (SaeWeights weights in new[] { Weights, Gradients, Means, Squares }) weights.Dispose();
        foreach (AuxiliaryLoss auxiliary in auxiliaries) auxiliary.Dispose();
        Resampling?.Dispose();
        Whitening?.Dispose();
        dense?.Dispose();
        forward.Dispose();
    }
}
