using System.Collections.Immutable;
using Monosemantic.Activations;
using Monosemantic.Dictionaries;
using Monosemantic.Runtime;

namespace Monosemantic.Features;

/// <summary>All that a scan gathers from the activations, batch after batch, with its state to save and go on from.</summary>
internal sealed class EvidencePass
{
    private readonly SparseAutoencoder sae;
    private readonly NeuronBasis? neurons;
    private readonly FeatureScanOptions options;
    private readonly FeatureScan features;
    private readonly FeatureScan? raw;
    private readonly CrossCorrelation? correlation;

    internal EvidencePass(SparseAutoencoder sae, NeuronBasis? neurons, FeatureScanOptions options)
    {
        (this.sae, this.neurons, this.options) = (sae, neurons, options);
        features = new(UnitKind.Feature, sae.Config.DSae, options);
        raw = neurons is null ? null : new(UnitKind.Neuron, neurons.Width, options);
        bool fits = CrossCorrelation.Size(sae.Config.DSae, sae.Config.DModel) <= Math.Min(options.MaxCorrelations, Array.MaxLength);
        correlation = fits ? new(sae.Config.DSae, sae.Config.DModel) : null;
    }

    internal void Add(ActivationBatch batch)
    {
        if (batch.DModel != sae.Config.DModel) throw new UserErrorException($"the activations are {batch.DModel} wide; the dictionary reads {sae.Config.DModel}", "scan activations of the model and hook point that it was trained on");
        SparseCode code = sae.EncodeSparse(batch.Span, batch.Rows);
        features.Add(batch, code);
        raw?.Add(batch, neurons!.Encode(batch));
        correlation?.Add(batch, code);
    }

    internal EvidenceResult Finish(IReadOnlyList<UnitLogits>? featureLogits, IReadOnlyList<UnitLogits>? neuronLogits)
    {
        if (features.Rows == 0) throw new UserErrorException("there are no activations to scan", "extract activations from a corpus that is not empty");
        ImmutableArray<UnitEvidence> found = features.Finish(featureLogits), rawFound = raw?.Finish(neuronLogits) ?? [];
        if (correlation is not null)
        {
            var (ofFeatures, ofNeurons) = correlation.Strongest(features.Moments(), options.Neighbours);
            found = With(found, ofFeatures);
            rawFound = With(rawFound, ofNeurons);
        }
        ImmutableArray<int> tokens = [.. features.TokenOccurrences.Select(pair => pair.Key)];
        return new(features.Rows, found, rawFound, tokens, features.PrunedUnits + (raw?.PrunedUnits ?? 0), features.ActiveUnits);
    }

    private static ImmutableArray<UnitEvidence> With(ImmutableArray<UnitEvidence> units, ImmutableArray<NeighbourEvidence>[] neighbours) =>
        [.. units.Select((unit, i) => unit with { Neighbours = unit.Neighbours.AddRange(neighbours[i]) })];

    internal void Save(BinaryWriter state)
    {
        features.Save(state);
        raw?.Save(state);
        correlation?.Save(state);
    }

    internal void Load(BinaryReader state)
    {
        features.Load(state);
        raw?.Load(state);
        correlation?.Load(state);
    }
}
