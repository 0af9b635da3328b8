using Monosemantic.Activations;
using Monosemantic.Dictionaries;
using Monosemantic.Features;
using Monosemantic.Runtime;

namespace Monosemantic.Tests.Features;

/// <summary>Random rows with everything that makes a scan hard: ties, repeated texts, short documents, gaps, inserted tokens.</summary>
internal sealed record ScanData(int Units, int[] Documents, int[] Positions, int[] Tokens, float[][] Activations)
{
    internal int Rows => Tokens.Length;

    internal static ScanData Random(long seed, int units = 7, int documents = 60, int vocabulary = 9)
    {
        var random = new SeededRandom(seed);
        int Below(int limit) => (int)(random.NextDouble() * limit);
        List<int> docs = [], positions = [], tokens = [];
        List<float[]> activations = [];
        for (int document = 0; document < documents; document++)
        {
            int length = Below(5) == 0 ? 1 : Below(70), position = Below(3);
            for (int i = 0; i < length; i++, position++)
            {
                bool inserted = Below(25) == 0;
                if (Below(40) == 0) position += 3;
                docs.Add(document * 2);
                positions.Add(inserted ? -1 : position);
                if (inserted) position--;
                tokens.Add(Below(10) < 6 ? i % vocabulary : Below(vocabulary));
                activations.Add([.. Enumerable.Range(0, units).Select(unit => Below(6) >= unit ? 0 : (1 + Below(12)) / 3f)]);
            }
        }
        return new(units, [.. docs], [.. positions], [.. tokens], [.. activations]);
    }

    internal IEnumerable<(ActivationBatch Batch, SparseCode Code)> Batches(int size)
    {
        for (int start = 0; start < Rows; start += size)
        {
            int end = Math.Min(Rows, start + size);
            yield return (new ActivationBatch { Rows = end - start, DModel = 0, Values = [], Documents = Documents[start..end], Positions = Positions[start..end], Tokens = Tokens[start..end] }, CodeOf(Activations[start..end], Units));
        }
    }

    internal UnitEvidence[] Scan(FeatureScanOptions options, int batchSize, IReadOnlyList<UnitLogits>? logits = null)
    {
        var scan = new FeatureScan(UnitKind.Feature, Units, options);
        foreach ((ActivationBatch batch, SparseCode code) in Batches(batchSize)) scan.Add(batch, code);
        return [.. scan.Finish(logits)];
    }

    internal static SparseCode CodeOf(float[][] dense, int units)
    {
        List<int> offsets = [0], features = [];
        List<float> values = [];
        foreach (float[] row in dense)
        {
            for (int unit = 0; unit < units; unit++)
            {
                if (row[unit] == 0) continue;
                features.Add(unit);
                values.Add(row[unit]);
            }
            offsets.Add(features.Count);
        }
        return new SparseCode { Rows = dense.Length, DSae = units, RowOffsets = [.. offsets], Features = [.. features], Values = [.. values] };
    }
}
