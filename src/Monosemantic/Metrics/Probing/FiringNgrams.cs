namespace Monosemantic.Metrics.Probing;

/// <summary>
/// Predicts whether a unit fires from the token, the two before it, or nothing, by counts over training rows:
/// <code>
/// p_0 = (F + 1/2) / (N + 1)     p_n = (F_g + 4 p_(n-1)) / (N_g + 4), g the n-gram that ends at the token, F_g its firings of N_g rows
/// </code>
/// and says how much of the entropy of firing that explains on held-out rows.
/// </summary>
internal sealed class FiringNgrams
{
    private const int Longest = 3;

    // Rows that the shorter n-gram counts as: with fewer, rare n-grams are believed too much.
    private const double Prior = 4;
    private readonly int trainRows, rows;

    // For each length the number of each row's n-gram, and how many training rows have it.
    private readonly int[][] ids = new int[Longest][], seen = new int[Longest][];

    internal FiringNgrams(ProbeRows train, ProbeRows test, ProbeText text)
        : this(train.Rows, [.. Tokens(train, text), .. Tokens(test, text)])
    {
    }

    /// <summary>Numbers the n-grams.</summary>
    /// <param name="trainRows">How many rows, from the first, are for training.</param>
    /// <param name="tokens">Of each row the token and the two before it; -1 where there is none.</param>
    internal FiringNgrams(int trainRows, (int Token, int Before, int Earlier)[] tokens)
    {
        (this.trainRows, rows) = (trainRows, tokens.Length);
        Number(0, tokens.Select(row => (row.Token, -2, -2)));
        Number(1, tokens.Select(row => (row.Token, row.Before, -2)));
        Number(2, tokens);
    }

    /// <summary>Share of the entropy of firing that the token explains, and that the token with the two before it does; NaN where a unit never fires on held-out rows.</summary>
    /// <param name="fired">Rows on which the unit fires, ascending.</param>
    internal (double Token, double Context) Explained(int[] fired)
    {
        var counts = new int[Longest][];
        for (int n = 0; n < Longest; n++) counts[n] = new int[seen[n].Length];
        int inTraining = 0;
        foreach (int row in fired)
        {
            if (row >= trainRows) break;
            inTraining++;
            for (int n = 0; n < Longest; n++) counts[n][ids[n][row]]++;
        }
        if (inTraining == fired.Length) return (double.NaN, double.NaN);
        double rate = (inTraining + 0.5) / (trainRows + 1), lossOn = Loss(rate, fires: true), lossOff = Loss(rate, fires: false);
        double unexplained = 0, byToken = 0, byContext = 0;
        int next = inTraining;
        for (int row = trainRows; row < rows; row++)
        {
            bool fires = next < fired.Length && fired[next] == row;
            if (fires) next++;
            double p = rate;
            unexplained += fires ? lossOn : lossOff;
            for (int n = 0; n < Longest; n++)
            {
                int gram = ids[n][row];
                p = (counts[n][gram] + (Prior * p)) / (seen[n][gram] + Prior);
                if (n == 0) byToken += Loss(p, fires);
            }
            byContext += Loss(p, fires);
        }
        return (1 - (byToken / unexplained), 1 - (byContext / unexplained));
    }

    private void Number(int n, IEnumerable<(int, int, int)> grams)
    {
        var known = new Dictionary<(int, int, int), int>();
        ids[n] = new int[rows];
        int row = 0;
        foreach ((int, int, int) gram in grams)
        {
            if (!known.TryGetValue(gram, out int id)) known[gram] = id = known.Count;
            ids[n][row++] = id;
        }
        seen[n] = new int[known.Count];
        for (int i = 0; i < trainRows; i++) seen[n][ids[n][i]]++;
    }

    private static IEnumerable<(int Token, int Before, int Earlier)> Tokens(ProbeRows rows, ProbeText text)
    {
        for (int row = 0; row < rows.Rows; row++)
        {
            TextTokens document = text.Of(rows.Documents[row]);
            int at = rows.Positions[row];
            yield return (rows.Tokens[row], at > 0 ? document.Spans[at - 1].Token : -1, at > 1 ? document.Spans[at - 2].Token : -1);
        }
    }

    private static double Loss(double p, bool fires) => -Math.Log(Math.Max(1e-12, fires ? p : 1 - p));
}
