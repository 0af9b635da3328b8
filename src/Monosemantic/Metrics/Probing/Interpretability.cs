using Monosemantic.Activations;
using Monosemantic.Dictionaries;
using Monosemantic.Runtime;
using Monosemantic.Text;

namespace Monosemantic.Metrics.Probing;

/// <summary>How far features mean one thing each, measured without asking anybody.</summary>
/// <param name="TrainRows">Training rows that probes and n-gram models were fitted to.</param>
/// <param name="TestRows">Held-out rows that they were tested on.</param>
/// <param name="Probing">Sparse probes.</param>
/// <param name="FirstLetters">Spelling and absorption.</param>
/// <param name="UnitScores">Scores of single features, neurons and directions.</param>
public sealed record InterpretabilityResult(int TrainRows, int TestRows, SparseProbingResult Probing, FirstLetterResult FirstLetters, UnitScoreResult UnitScores);

/// <summary>Measures it on a store, with the text and tokenizer that the store was made from.</summary>
internal static class Interpretability
{
    // A quarter of a gigabyte of activations at most.
    private const int MostRows = 40_000, MostValues = 32 << 20;

    internal static InterpretabilityResult Measure(ActivationStore store, SparseAutoencoder sae, CorpusOptions corpus, Tokenizer tokenizer, IProgress<ProgressReport>? progress, CancellationToken cancellation)
    {
        StorePlan plan = store.Plan;
        if (plan.TokenizerSha256.Length == 0) throw new UserErrorException($"{store.Folder} does not know its tokens, which probes need", "leave --interpret out, or give a store that was extracted from a text");
        if (tokenizer.Sha256 != plan.TokenizerSha256) throw new UserErrorException("the tokenizer of the model is not the one that the activations were extracted with", $"give the folder of {plan.Model.Name}");
        int most = Math.Min(MostRows, MostValues / plan.DModel);
        ProbeRows train = ProbeRows.Read(store, sae, StoreSplit.Training, most, cancellation), test = ProbeRows.Read(store, sae, StoreSplit.HeldOut, most, cancellation);
        ProbeText text = ProbeText.Read(corpus, plan, tokenizer, [train, test], progress, cancellation);
        SparseProbingResult probing = SparseProbing.Measure(train, test, text, progress, cancellation);
        FirstLetterResult letters = FirstLetters.Measure(sae, train, test, text, cancellation);
        return new(train.Rows, test.Rows, probing, letters, UnitScores.Measure(train, test, text, store.Manifest.Statistics.Mean, NeuronBasis.Of(store, sae), progress, cancellation));
    }
}
