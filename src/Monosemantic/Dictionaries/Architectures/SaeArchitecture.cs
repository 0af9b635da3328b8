using System.Collections.Immutable;
using Monosemantic.Runtime;

namespace Monosemantic.Dictionaries;

/// <summary>
/// A kind of sparse autoencoder: which features of a token fire, how strongly, and how gradients go back through that. One
/// file each; what follows the code (decoding, weight gradients, optimiser) is the same for all. Names are those of files.
/// </summary>
public abstract class SaeArchitecture
{
    private protected SaeArchitecture() { }

    /// <summary>The architectures there are.</summary>
    public static ImmutableArray<SaeArchitecture> All { get; } =
    [
        new TopKArchitecture(), new BatchTopKArchitecture(), new MatryoshkaArchitecture(), new ReluArchitecture(), new GatedArchitecture(), new JumpReluArchitecture(),
        new AbsTopKArchitecture(), new GroupMaxArchitecture(), new ProLuArchitecture(), new MatchingPursuitArchitecture(),
    ];

    /// <summary>Name in files and on the command line.</summary>
    public abstract string Name { get; }

    /// <summary>Formula and source in one line.</summary>
    public abstract string Summary { get; }

    /// <summary>Whether k decides how many features fire.</summary>
    public virtual bool UsesK => false;

    /// <summary>Names of the vectors [d_sae] that it has beside its encoder bias.</summary>
    public virtual ImmutableArray<string> FeatureTensors => [];

    /// <summary>Name of the encoder bias [d_sae] on disk.</summary>
    public virtual string BiasName => "b_enc";

    /// <summary>Whether the encoder is the decoder's transpose and has no bias of its own.</summary>
    public virtual bool IsTied => false;

    /// <summary>What a trained one is saved as: a batch-wide selection becomes a threshold.</summary>
    public virtual SaeArchitecture AfterTraining => this;

    /// <summary>Makes the selector of a tile, for inference.</summary>
    internal abstract Func<RowSelector> Selector(SaeConfig config, SaeWeights weights);

    /// <summary>Feature activation of a selected pre-activation, for inference.</summary>
    internal virtual float Activate(SaeWeights weights, int feature, float pre) => pre;

    /// <summary>Whether <see cref="Activate"/> changes anything.</summary>
    internal virtual bool ChangesPre => false;

    /// <summary>How it is trained.</summary>
    internal abstract TrainingRule NewRule(RuleOptions options, SaeWeights weights);

    /// <summary>What is wrong with a config that only this architecture knows of.</summary>
    internal virtual IEnumerable<string> Problems(SaeConfig config) => [];

    /// <summary>Scales what belongs to a feature when its decoder row is divided by a length; encoder row and bias are scaled already.</summary>
    internal virtual unsafe void FoldNorm(SaeWeights weights, int feature, float norm) { }

    /// <summary>Finds an architecture by name.</summary>
    /// <param name="name">Its name.</param>
    /// <exception cref="UserErrorException">There is none of that name.</exception>
    public static SaeArchitecture Of(string name) => TryFind(name) ?? throw new UserErrorException($"architecture is \"{name}\"; it must be one of {Names}", Suggestion.Nearest(name, All.Select(known => known.Name)) is { } near ? $"did you mean {near}?" : "see `monosemantic list architectures`");

    /// <summary>Finds an architecture by name, or null.</summary>
    internal static SaeArchitecture? TryFind(string name) => All.FirstOrDefault(known => known.Name == name);

    internal static string Names => string.Join(", ", All.Select(known => known.Name));
}
