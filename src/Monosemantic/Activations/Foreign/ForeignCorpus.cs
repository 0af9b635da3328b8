using System.Collections.Immutable;
using Monosemantic.Runtime;

namespace Monosemantic.Activations.Foreign;

/// <summary>Rows of foreign files, one after the other, that become rows of a store.</summary>
/// <param name="Documents">Document of each row [n].</param>
/// <param name="Positions">Index of each row's token in its document [n].</param>
/// <param name="Tokens">Token id of each row [n]; -1 where it is not known.</param>
/// <param name="Kept">Whether each row is no padding [n].</param>
/// <param name="Values">Reads the rows [n, d_model].</param>
internal sealed record ForeignBlock(int[] Documents, int[] Positions, int[] Tokens, bool[] Kept, Action<float[]> Values);

/// <summary>All files of an import as one list of rows.</summary>
internal sealed class ForeignCorpus : IDisposable
{
    private const int MostRows = 4096, MostNumbers = 1 << 22;
    private readonly List<ForeignRows> files = [];

    /// <summary>Opens every file.</summary>
    /// <exception cref="UserErrorException">One cannot be read, or they do not belong together.</exception>
    public ForeignCorpus(ImportConfig config)
    {
        try
        {
            Paths = ForeignFile.Expand(config.Files);
            foreach ((string option, ImmutableArray<string> given) in new[] { ("--token-ids", config.TokenIds), ("--documents", config.Documents), ("--positions", config.Positions), ("--mask", config.Mask) })
            {
                bool fits = given.Length <= 1 || given.Length == Paths.Length;
                if (!fits) throw new UserErrorException($"{option} names {given.Length}, but there are {Paths.Length} files of activations", "give one for each file, in the same order, or one name for all");
                if (given.Length == 1 && Paths.Length > 1 && File.Exists(given[0])) throw new UserErrorException($"{option} names the file {given[0]}, but there are {Paths.Length} files of activations", "give one for each file, in the same order");
            }
            for (int i = 0; i < Paths.Length; i++) files.Add(new ForeignRows(config, Paths[i], i));
            foreach (ForeignRows file in files.Skip(1)) RequireSame(files[0], file);
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <summary>The files of activations.</summary>
    public ImmutableArray<string> Paths { get; }

    /// <summary>What the activations look like; of the first file where rows are counted.</summary>
    public ForeignShape Shape => files[0].Shape;

    /// <summary>The tensor or column of the first file.</summary>
    public string Name => files[0].Name;

    private int BlockRows => Math.Clamp(MostNumbers / Shape.DModel, 1, MostRows);

    /// <summary>Number of rows, padding included.</summary>
    public long Rows => files.Sum(file => file.Shape.Rows);

    /// <summary>Tokens of the longest document, where files are laid out by documents; else null.</summary>
    public int? DocumentLength => files.Max(file => file.DocumentLength);

    /// <summary>One more than the highest number of a document.</summary>
    public int CountDocuments(CancellationToken cancellation)
    {
        if (!files[0].KnowsDocuments) return checked((int)files.Sum(file => file.CountedDocuments));
        long highest = 0;
        int atOnce = BlockRows;
        var values = new long[atOnce];
        foreach (ForeignRows file in files)
        {
            for (long first = 0; first < file.Shape.Rows; first += atOnce)
            {
                cancellation.ThrowIfCancellationRequested();
                Span<long> part = values.AsSpan(0, (int)Math.Min(atOnce, file.Shape.Rows - first));
                file.ReadDocuments(first, part);
                foreach (long value in part) highest = Math.Max(highest, value);
            }
        }
        return checked((int)(highest + 1));
    }

    /// <summary>The rows from the first to the last.</summary>
    public IEnumerable<ForeignBlock> Blocks()
    {
        long firstDocument = 0;
        int atOnce = BlockRows;
        var counter = new PositionCounter();
        foreach (ForeignRows file in files)
        {
            for (long first = 0; first < file.Shape.Rows; first += atOnce)
            {
                yield return Block(file, first, (int)Math.Min(atOnce, file.Shape.Rows - first), firstDocument, counter);
            }
            if (!file.KnowsDocuments) firstDocument += file.CountedDocuments;
        }
    }

    public void Dispose()
    {
        foreach (ForeignRows file in files) file.Dispose();
    }

    private static ForeignBlock Block(ForeignRows file, long first, int count, long firstDocument, PositionCounter counter)
    {
        var ids = new long[count];
        file.ReadDocuments(first, ids);
        int[] documents = [.. ids.Select(document => checked((int)(document + firstDocument)))];
        file.ReadMask(first, ids);
        bool[] kept = [.. ids.Select(value => value != 0)];
        file.ReadTokens(first, ids);
        int[] tokens = [.. ids.Select(token => (int)token)];
        int[] positions = counter.Count(documents, kept);
        if (file.ReadPositions(first, ids)) positions = [.. ids.Select(position => (int)position)];
        return new(documents, positions, tokens, kept, rows => file.ReadValues(first, rows.AsSpan(0, count * file.Shape.DModel)));
    }

    private static void RequireSame(ForeignRows first, ForeignRows other)
    {
        ForeignShape a = first.Shape, b = other.Shape;
        if (a.DModel != b.DModel || a.Heads != b.Heads) throw new UserErrorException($"{first.Path} has rows of width {a.DModel}, and {other.Path} of width {b.DModel}{(a.Heads != b.Heads ? " or of other heads" : "")}", "import files of one hook point of one model");
        if (a.Dtype != b.Dtype) throw new UserErrorException($"{first.Path} has {a.Dtype} numbers, and {other.Path} {b.Dtype}", "import them apart and put the stores together with `monosemantic store merge`, or convert one of them");
        if (first.KnowsDocuments != other.KnowsDocuments) throw new UserErrorException($"one of {first.Path} and {other.Path} says which document each row is of, and the other one does not", $"name documents for each with --documents, or say --documents {ImportConfig.None}");
    }

    /// <summary>Counts the tokens of documents whose rows follow each other; padding is none.</summary>
    private sealed class PositionCounter
    {
        private int document = -1, position;

        public int[] Count(int[] documents, bool[] kept)
        {
            var positions = new int[documents.Length];
            for (int row = 0; row < documents.Length; row++)
            {
                if (documents[row] != document) (document, position) = (documents[row], 0);
                positions[row] = kept[row] ? position++ : position;
            }
            return positions;
        }
    }
}
