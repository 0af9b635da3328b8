using System.Collections.Immutable;

namespace Monosemantic.Text;

/// <summary>Which texts make up a corpus.</summary>
public sealed record CorpusOptions
{
    /// <summary>The path that stands for the .NET class-library reference documentation.</summary>
    public const string ReferenceDocumentation = "dotnet-docs";

    /// <summary>The path that stands for text on the standard input.</summary>
    public const string StandardInput = "-";

    /// <summary>
    /// Where the texts are, read in this order. Each is a text file (one document per block between blank lines), a folder
    /// (every .txt, .md, .jsonl and .ndjson file below it, in ordinal order of relative path), a .jsonl or .ndjson file
    /// (one document a line), a .json file (an array of strings or objects), <c>-</c> (the standard input, as a text file;
    /// it can be read only once), or <c>dotnet-docs</c> (see <see cref="Text.ReferenceDocumentation"/>, the default).
    /// </summary>
    public ImmutableArray<string> Paths { get; init; } = [ReferenceDocumentation];

    /// <summary>The field of a JSON object that holds the text.</summary>
    public string TextField { get; init; } = "text";

    /// <summary>Two corpora are the same when they read the same paths in the same order.</summary>
    /// <param name="other">The options to compare with.</param>
    public bool Equals(CorpusOptions? other) =>
        other is not null && TextField == other.TextField && Paths.AsSpan().SequenceEqual(other.Paths.AsSpan());

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(TextField, Paths.Length, Paths is [var first, ..] ? first : "");
}
