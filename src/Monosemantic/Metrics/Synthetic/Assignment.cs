namespace Monosemantic.Metrics.Synthetic;

/// <summary>
/// The pairing of rows with columns, each used at most once, whose costs add up to the least: shortest augmenting paths
/// (Jonker and Volgenant 1987; Crouse 2016), started from row minima. O(n^3) at worst.
/// </summary>
internal static class Assignment
{
    /// <summary>Finds it.</summary>
    /// <param name="costs">Finite costs [rows, columns], row-major; at least as many columns as rows.</param>
    /// <param name="rows">Number of rows.</param>
    /// <param name="columns">Number of columns.</param>
    /// <returns>The column of each row.</returns>
    internal static int[] Solve(float[] costs, int rows, int columns)
    {
        if (rows > columns || costs.Length != (long)rows * columns) throw new ArgumentException($"{costs.Length} costs are not {rows} rows of at least as many columns", nameof(costs));
        double[] u = new double[rows], v = new double[columns], shortest = new double[columns];
        int[] columnOf = new int[rows], rowOf = new int[columns], path = new int[columns];
        StartFromMinima(costs, u, columnOf, rowOf);
        for (int row = 0; row < rows; row++)
        {
            if (columnOf[row] < 0) Augment(row);
        }
        return columnOf;

        void Augment(int start)
        {
            int sink = FindPath(start, out List<int> seenColumns, out double least);
            u[start] += least;
            foreach (int column in seenColumns)
            {
                if (column == sink) continue;
                u[rowOf[column]] += least - shortest[column];
                v[column] -= least - shortest[column];
            }
            for (int column = sink, row = -1; row != start;)
            {
                row = path[column];
                rowOf[column] = row;
                (columnOf[row], column) = (column, columnOf[row]);
            }
        }

        int FindPath(int start, out List<int> seen, out double least)
        {
            (seen, least) = ([], 0);
            Array.Fill(shortest, double.PositiveInfinity);
            int[] open = new int[columns];
            for (int i = 0; i < columns; i++) open[i] = i;
            for (int count = columns, row = start; ;)
            {
                double lowest = double.PositiveInfinity;
                int at = -1;
                ReadOnlySpan<float> cost = costs.AsSpan(row * columns, columns);
                double from = least - u[row];
                for (int i = 0; i < count; i++)
                {
                    int column = open[i];
                    double reach = from + cost[column] - v[column];
                    if (reach < shortest[column]) (shortest[column], path[column]) = (reach, row);
                    if (shortest[column] < lowest || (shortest[column] == lowest && rowOf[column] < 0)) (lowest, at) = (shortest[column], i);
                }
                least = lowest;
                int nearest = open[at];
                seen.Add(nearest);
                open[at] = open[--count];
                if (rowOf[nearest] < 0) return nearest;
                row = rowOf[nearest];
            }
        }
    }
    // Each row takes its cheapest column where that is still free.
    private static void StartFromMinima(float[] costs, double[] u, int[] columnOf, int[] rowOf)
    {
        int columns = rowOf.Length;
        Array.Fill(columnOf, -1);
        Array.Fill(rowOf, -1);
        for (int row = 0; row < columnOf.Length; row++)
        {
            int best = System.Numerics.Tensors.TensorPrimitives.IndexOfMin(costs.AsSpan(row * columns, columns));
            u[row] = costs[(row * columns) + best];
            if (rowOf[best] < 0) (rowOf[best], columnOf[row]) = (row, best);
        }
    }
}
