namespace Monosemantic.Dictionaries;

/// <summary>What changes from step to step.</summary>
internal sealed unsafe class StepContext
{
    /// <summary>Tokens of the batch.</summary>
    internal int Rows { get; set; }

    /// <summary>Features per token in force.</summary>
    internal double K { get; set; }

    /// <summary>Coefficient of the sparsity loss in force.</summary>
    internal double Sparsity { get; set; }

    /// <summary>Exponent of the sparsity loss in force.</summary>
    internal double Power { get; set; } = 1;

    /// <summary>Derivative of the loss by one token's number of firing features.</summary>
    internal double L0Slope { get; set; }

    /// <summary>What candidates of a batch-wide selection must be above.</summary>
    internal double Bar { get; set; }

    /// <summary>Which features count as dead [d_sae]; null for none.</summary>
    internal bool[]? Dead { get; set; }

    /// <summary>Lengths of the decoder rows [d_sae], where they are needed.</summary>
    internal float* Norms { get; set; }

    /// <summary>Exponent that annealing will bring next; null for none.</summary>
    internal double? NextPower { get; set; }

    /// <summary>Sum of f^p of each token with the next exponent.</summary>
    internal double[] NextRowPowers { get; set; } = [];

    /// <summary>Sum of f^p of each token, where the Lp norm needs it.</summary>
    internal double[] RowPowers { get; set; } = [];
}

/// <summary>Entries of one feature and what is known of them.</summary>
internal unsafe ref struct FeatureEntriesSpan
{
    /// <summary>Number of entries.</summary>
    internal int Count;

    /// <summary>Tokens that were looked at; those without an entry did not fire.</summary>
    internal int RowsSeen;

    /// <summary>Token of each entry.</summary>
    internal int* Rows;

    /// <summary>Pre-activations.</summary>
    internal float* Pres;

    /// <summary>What the decoder was given.</summary>
    internal float* Values;

    /// <summary>Derivative of the reconstruction losses by the values; the rule turns it into that by the encoder product, in place.</summary>
    internal float* Gradients;

    /// <summary>Derivative of the second reconstruction's loss by the pre-activations; null where there is none.</summary>
    internal float* SecondGradients;
}

/// <summary>What a feature's entries add up to.</summary>
internal struct FeatureSums
{
    /// <summary>Gradients of encoder bias and of the architecture's other vectors.</summary>
    internal double Bias, First, Second;

    /// <summary>Derivative of the loss by the length of the decoder row.</summary>
    internal double Norm;

    /// <summary>Parts of the losses.</summary>
    internal double Penalty, PreAct;
}

/// <summary>The part of a training step that is an architecture's own.</summary>
internal abstract unsafe class TrainingRule(RuleOptions options, SaeWeights weights)
{
    internal RuleOptions Options { get; } = options;

    protected SaeWeights Weights { get; } = weights;

    /// <summary>Whether the pre-activations are decoded too, as a second reconstruction.</summary>
    internal virtual bool HasSecond => false;

    /// <summary>Whether the sparsity loss is one of the pre-activations, not of f.</summary>
    internal virtual bool PenalisesPres => false;

    /// <summary>Whether the code can have so many entries that dense arithmetic is cheaper.</summary>
    internal virtual bool CanBeDense => false;

    /// <summary>Whether the selection is made over the whole batch.</summary>
    internal virtual bool SelectsBatch => false;

    /// <summary>Whether features are taken one after the other, with gradients through all of it.</summary>
    internal virtual bool IsPursuit => false;

    /// <summary>Whether lengths of decoder rows are needed.</summary>
    internal virtual bool NeedsNorms => Options.WeightedByNorm || Options.RankByNorm;

    /// <summary>Computes what depends on the weights of this step, before anything else is asked for.</summary>
    internal virtual void Prepare(StepContext step) { }

    /// <summary>Makes the selector of a tile.</summary>
    internal abstract Func<RowSelector> Selector(StepContext step);

    /// <summary>Pre-activation of one element of the encoder product, for the dense way.</summary>
    internal virtual float Pre(int feature, float product) => product + Weights.BEncAt[feature];

    /// <summary>Whether a pre-activation would get an entry, for the dense way.</summary>
    internal virtual bool Selects(int feature, float pre) => pre > 0;

    /// <summary>Turns selected pre-activations of one token into what the decoder is given.</summary>
    internal virtual void Activate(int* features, float* pres, float* values, int count, StepContext step) { }

    /// <summary>Completes gradients of one feature.</summary>
    internal abstract void Differentiate(int feature, ref FeatureEntriesSpan entries, StepContext step, ref FeatureSums sums);

    /// <summary>Adds gradients up, as the encoder bias' gradient.</summary>
    protected static double Sum(float* values, int count)
    {
        double sum = 0;
        for (int i = 0; i < count; i++) sum += values[i];
        return sum;
    }
}
