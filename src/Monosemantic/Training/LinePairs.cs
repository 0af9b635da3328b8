using System.Collections.Immutable;
using Monosemantic.Models;
using Monosemantic.Runtime;
using Monosemantic.Text;

namespace Monosemantic.Training;

/// <summary>
/// A text as pairs of a line and the next one. Lines that are empty or hold only white space are left out first, so that the
/// line before such a gap and the line after it are a pair too; a line longer than the model's positions is cut to them.
/// </summary>
/// <param name="Name">The text's file name.</param>
/// <param name="Sha256">Hash of the file's bytes.</param>
/// <param name="Vocabulary">The characters of the whole text, whatever share of its pairs is trained on.</param>
/// <param name="Lines">Token ids of the lines that the pairs are made of: pair i is lines i and i + 1.</param>
internal sealed record LinePairs(string Name, string Sha256, SimpleTransformerVocabulary Vocabulary, ImmutableArray<int[]> Lines)
{
    /// <summary>Number of pairs.</summary>
    internal int Count => Lines.Length - 1;

    /// <summary>Characters to predict in one pass over the pairs.</summary>
    internal long Targets => Lines.Skip(1).Sum(line => (long)line.Length);

    /// <summary>The positions that a pair takes: the longer of its lines.</summary>
    internal int Width(int pair) => Math.Max(Lines[pair].Length, Lines[pair + 1].Length);

    /// <summary>
    /// Cross-entropy, nats per character, of predicting every character by how often it stands in the lines to predict: what a
    /// model reaches that knows nothing but these frequencies.
    /// </summary>
    internal double FrequencyEntropy()
    {
        var counts = new long[Vocabulary.Size];
        foreach (int id in Lines.Skip(1).SelectMany(line => line)) counts[id]++;
        double total = Targets;
        return -counts.Where(count => count > 0).Sum(count => count / total * Math.Log(count / total));
    }

    /// <summary>Reads a text.</summary>
    /// <param name="path">The file, UTF-8.</param>
    /// <param name="pairs">Pairs to keep, from the start; 0 for all.</param>
    /// <param name="positions">Longest line, in characters.</param>
    /// <exception cref="UserErrorException">It is missing, not UTF-8, empty, or has a single line.</exception>
    internal static LinePairs Read(string path, int pairs, int positions)
    {
        if (Directory.Exists(path)) throw new UserErrorException($"{path} is a folder", "give one text file with --text");
        if (!File.Exists(path)) throw new UserErrorException($"the text {path} does not exist", "check the path given with --text");
        using FileStream stream = File.OpenRead(path);
        string[] lines = [.. Utf8Lines.Read(stream, path).Select(line => line.Text).Where(line => !string.IsNullOrWhiteSpace(line))];
        if (lines.Length == 0) throw new UserErrorException($"{path} is empty: it has no line with a character", "give a text of at least two lines");
        if (lines.Length == 1) throw new UserErrorException($"{path} has one line only; a pair is a line and the next one", "give a text of at least two lines");
        var vocabulary = SimpleTransformerVocabulary.Of(lines);
        int kept = pairs == 0 ? lines.Length : (int)Math.Min(lines.Length, pairs + 1L);
        return new(Path.GetFileName(path), Hashing.OfFile(path), vocabulary, [.. lines.Take(kept).Select(line => vocabulary.Encode(line, path)[..Math.Min(positions, CharactersIn(line))])]);
    }

    private static int CharactersIn(string line) => line.EnumerateRunes().Count();
}
