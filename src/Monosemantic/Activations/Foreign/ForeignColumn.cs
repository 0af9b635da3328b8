using Monosemantic.Runtime;

namespace Monosemantic.Activations.Foreign;

/// <summary>Ids that belong to rows: one for each row, or one for each document.</summary>
internal sealed class ForeignColumn : IDisposable
{
    private readonly IForeignFile file;
    private readonly string name;
    private readonly bool owned;
    private readonly int rowsPerId;

    private ForeignColumn(IForeignFile file, string name, bool owned, ForeignShape shape, string option)
    {
        (this.file, this.name, this.owned) = (file, name, owned);
        long count = file.CountOf(name);
        rowsPerId = count == shape.Rows ? 1 : shape.DocumentRows is { } each && count * each == shape.Rows ? each : 0;
        if (rowsPerId > 0) return;
        throw new UserErrorException(
            $"{file.Path}: {Printable.Of(name)} has {count:N0} numbers for {shape.Rows:N0} rows of activations",
            $"name the one that belongs to them with {option}, or say {option} {ImportConfig.None}");
    }

    /// <summary>Finds ids; null where there are none.</summary>
    /// <param name="option">The option that names them.</param>
    /// <param name="given">What it says: nothing, a name, or a file.</param>
    /// <param name="usual">Names that are looked for, in lower case.</param>
    /// <param name="file">The file of the activations.</param>
    /// <param name="shape">What these look like.</param>
    /// <exception cref="UserErrorException">What was named is not there, or is not one number for each row.</exception>
    public static ForeignColumn? Find(string option, string? given, string[] usual, IForeignFile file, ForeignShape shape)
    {
        if (given == ImportConfig.None) return null;
        if (given is null) return Usual(file, usual) is { } found ? new(file, found, false, shape, option) : null;
        if (file.Ids.Contains(given)) return new(file, given, false, shape, option);
        if (!File.Exists(given))
        {
            string has = file.Ids.IsEmpty ? "it holds no whole numbers" : $"its whole numbers are {string.Join(", ", file.Ids.Take(8).Select(Printable.Of))}";
            throw new UserErrorException($"{option} {given} is neither in {file.Path} nor a file", $"{has}; name one of them, or a file of ids");
        }
        IForeignFile own = ForeignFile.Open(given);
        try
        {
            string name = Usual(own, usual) ?? (own.Ids is [var only] ? only : throw new UserErrorException($"{given} holds {(own.Ids.IsEmpty ? "no whole numbers" : $"several lists of whole numbers: {string.Join(", ", own.Ids.Take(8).Select(Printable.Of))}")}", $"give {option} a file with one list of whole numbers, or call it {usual[0]}"));
            return new(own, name, true, shape, option);
        }
        catch
        {
            own.Dispose();
            throw;
        }
    }

    /// <summary>Reads the ids of consecutive rows.</summary>
    /// <param name="first">The first row.</param>
    /// <param name="values">Where they go; its length says how many.</param>
    public void Read(long first, Span<long> values)
    {
        if (rowsPerId == 1)
        {
            file.ReadIds(name, first, values);
            return;
        }
        long firstId = first / rowsPerId;
        var ids = new long[((first + values.Length - 1) / rowsPerId) - firstId + 1];
        file.ReadIds(name, firstId, ids);
        for (int row = 0; row < values.Length; row++) values[row] = ids[((first + row) / rowsPerId) - firstId];
    }

    /// <summary>What to call the ids in an error.</summary>
    public override string ToString() => $"{Printable.Of(name)} of {file.Path}";

    public void Dispose()
    {
        if (owned) file.Dispose();
    }

    private static string? Usual(IForeignFile file, string[] names) =>
        names.Select(name => file.Ids.FirstOrDefault(id => string.Equals(id, name, StringComparison.OrdinalIgnoreCase))).FirstOrDefault(found => found is not null);
}
