using System.Runtime.InteropServices;

namespace Monosemantic.Text.Tokenizers;

/// <summary>
/// A normalized text, each of whose UTF-16 units knows the range of the original text that it came from. What was put in has an
/// empty range at its place.
/// </summary>
/// <param name="Chars">The text.</param>
/// <param name="Origin">Where it begins in the original; its units follow the original's where there are no arrays.</param>
/// <param name="Starts">First original unit of each unit; null where the text is as it was, or nobody asked.</param>
/// <param name="Ends">Original unit after each unit; null likewise.</param>
internal sealed record AlignedText(ReadOnlyMemory<char> Chars, int Origin, int[]? Starts, int[]? Ends)
{
    /// <summary>A part of an original text, unchanged.</summary>
    public static AlignedText Of(string text, int start, int length) => new(text.AsMemory(start, length), start, null, null);

    /// <summary>The characters.</summary>
    public ReadOnlySpan<char> Span => Chars.Span;

    /// <summary>A part of it.</summary>
    public AlignedText Slice(int start, int length) =>
        start == 0 && length == Chars.Length ? this : new(Chars.Slice(start, length), StartOf(start), Starts?[start..(start + length)], Ends?[start..(start + length)]);

    /// <summary>First original unit behind a unit.</summary>
    public int StartOf(int at) => Starts is null ? Origin + at : Starts[at];

    /// <summary>Original unit after what is behind a unit.</summary>
    public int EndOf(int at) => Ends is null ? Origin + at + 1 : Ends[at];
}

/// <summary>Builds a changed text beside the ranges of what it was made from.</summary>
/// <param name="source">The text that is changed.</param>
/// <param name="track">Whether the ranges are wanted; without, only the characters are right.</param>
internal sealed class AlignedTextBuilder(AlignedText source, bool track)
{
    private readonly List<char> chars = new(source.Chars.Length + 8);
    private readonly List<int>? starts = track ? new(source.Chars.Length + 8) : null;
    private readonly List<int>? ends = track ? new(source.Chars.Length + 8) : null;

    /// <summary>Number of units so far.</summary>
    public int Length => chars.Count;

    /// <summary>Takes over units of the source as they are.</summary>
    public void Keep(int from, int length)
    {
        chars.AddRange(source.Span.Slice(from, length));
        for (int i = from; track && i < from + length; i++)
        {
            starts!.Add(source.StartOf(i));
            ends!.Add(source.EndOf(i));
        }
    }

    /// <summary>Puts text in the place of units of the source; an empty range puts it in before its start.</summary>
    public void Replace(int from, int length, ReadOnlySpan<char> by)
    {
        chars.AddRange(by);
        if (!track) return;
        int start = from < source.Chars.Length ? source.StartOf(from) : from > 0 ? source.EndOf(from - 1) : source.Origin;
        int end = length > 0 ? source.EndOf(from + length - 1) : start;
        for (int i = 0; i < by.Length; i++)
        {
            starts!.Add(start);
            ends!.Add(end);
        }
    }

    /// <summary>Takes units away from the end.</summary>
    public void RemoveLast(int length)
    {
        chars.RemoveRange(chars.Count - length, length);
        starts?.RemoveRange(starts.Count - length, length);
        ends?.RemoveRange(ends.Count - length, length);
    }

    /// <summary>Whether the text so far ends with some text.</summary>
    public bool EndsWith(ReadOnlySpan<char> text) => CollectionsMarshal.AsSpan(chars).EndsWith(text);

    /// <summary>The changed text.</summary>
    public AlignedText Build() => new(chars.ToArray(), source.Origin, starts?.ToArray(), ends?.ToArray());
}
