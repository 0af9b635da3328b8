using System.Collections.Immutable;
using System.Numerics.Tensors;
using Microsoft.Data.Analysis;
using Monosemantic.Runtime;

namespace Monosemantic.Activations;

/// <summary>Rows of a store as a table.</summary>
internal static class RowTable
{
    private const int RowsAtOnce = 1024, MixedRows = 1 << 14;

    /// <summary>Reads rows into a table; see <see cref="ActivationStore.ToDataFrame"/>.</summary>
    public static DataFrame Of(ActivationStore store, int rows, StoreSplit split, long? seed)
    {
        if (rows < 1) throw new UserErrorException($"rows is {rows}; it must be at least 1", "1000 is usual");
        int count = (int)Math.Min(rows, store.RowCount(split)), batch = Math.Clamp(count, 1, RowsAtOnce);
        if ((long)count * store.DModel > Array.MaxLength) throw new UserErrorException($"{count:N0} rows of width {store.DModel} are too many for a table", $"ask for at most {Array.MaxLength / store.DModel:N0}");
        int[] documents = new int[count], positions = new int[count], tokens = new int[count];
        float[] norms = new float[count];
        float[][] values = [.. Enumerable.Range(0, store.DModel).Select(_ => new float[count])];
        int at = 0;
        foreach (ActivationBatch read in seed is { } drawn && count > 0 ? store.Shuffled(batch, MixedRows, drawn, split, epochs: 1) : store.Read(batch, split))
        {
            for (int row = 0; row < read.Rows && at < count; row++, at++)
            {
                (documents[at], positions[at], tokens[at]) = (read.Documents[row], read.Positions[row], read.Tokens[row]);
                ReadOnlySpan<float> numbers = read.Row(row);
                norms[at] = TensorPrimitives.Norm(numbers);
                for (int i = 0; i < numbers.Length; i++) values[i][at] = numbers[i];
            }
            if (at == count) break;
        }
        ImmutableArray<string> texts = store.TokenTexts;
        return new DataFrame(
        [
            new Int32DataFrameColumn("document", documents),
            new Int32DataFrameColumn("position", positions),
            new Int32DataFrameColumn("token", tokens),
            new StringDataFrameColumn("text", tokens.Select(token => token >= 0 && token < texts.Length ? texts[token] : null)),
            new SingleDataFrameColumn("norm", norms),
            .. values.Select((column, i) => new SingleDataFrameColumn($"x{i}", column)),
        ]);
    }
}
