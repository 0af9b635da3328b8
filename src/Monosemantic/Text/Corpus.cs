using Monosemantic.Runtime;

namespace Monosemantic.Text;

/// <summary>Reads texts as a stream of documents: files, folders, JSON lines, the standard input, the built-in documentation.</summary>
public static class Corpus
{
    /// <summary>
    /// The documents of a corpus, in a stable order, one at a time. Every enumeration reads the sources again, except for the
    /// standard input. Texts of nothing but white space are left out.
    /// </summary>
    /// <param name="options">What to read.</param>
    /// <param name="progress">Told every thousand documents.</param>
    /// <param name="cancellation">Stops the reading.</param>
    /// <exception cref="UserErrorException">A path does not exist (at once); a file is not UTF-8 or not in its format, or there
    /// is no document at all (while reading).</exception>
    public static IEnumerable<Document> Read(CorpusOptions options, IProgress<ProgressReport>? progress = null, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(options);
        Check(options);
        return ReadAll(options, progress, cancellation);
    }

    /// <summary>What the corpus is called in artefacts: the keyword or the last part of each path, joined by commas.</summary>
    /// <param name="options">The corpus.</param>
    public static string SourceOf(CorpusOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        return string.Join(", ", options.Paths.Select(NameOf));
    }

    /// <summary>The version of the reference documentation where it is part of the corpus, else null.</summary>
    /// <param name="options">The corpus.</param>
    public static string? VersionOf(CorpusOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        return options.Paths.Contains(CorpusOptions.ReferenceDocumentation) ? ReferenceDocumentation.Locate().Version : null;
    }

    private static IEnumerable<Document> ReadAll(CorpusOptions options, IProgress<ProgressReport>? progress, CancellationToken cancellation)
    {
        int documents = 0;
        foreach (Document document in options.Paths.SelectMany(path => ReadOne(path, options.TextField)))
        {
            cancellation.ThrowIfCancellationRequested();
            if (++documents % 1000 == 0) progress?.Report(new ProgressReport("read", documents, 0, "documents"));
            yield return document;
        }
        if (documents == 0)
        {
            throw new UserErrorException($"the corpus {string.Join(", ", options.Paths)} holds no text", "give a file or folder with text in it, or dotnet-docs for the built-in documentation");
        }
    }

    private static IEnumerable<Document> ReadOne(string path, string textField) => path switch
    {
        CorpusOptions.ReferenceDocumentation => ReferenceDocumentation.Read(),
        CorpusOptions.StandardInput => ReadStandardInput(),
        _ when Directory.Exists(path) => CorpusFiles.In(path).SelectMany(file => CorpusFiles.Read(Path.Combine(path, file), file, textField)),
        _ => CorpusFiles.Read(path, NameOf(path), textField),
    };

    private static IEnumerable<Document> ReadStandardInput()
    {
        using Stream input = Console.OpenStandardInput();
        foreach (Document document in CorpusFiles.ReadBlocks(input, "the standard input", "stdin")) yield return document;
    }

    private static void Check(CorpusOptions options)
    {
        if (options.Paths.IsDefaultOrEmpty) throw new UserErrorException("no corpus is given", "name a file, a folder, - for the standard input, or dotnet-docs");
        if (options.Paths.Count(path => path == CorpusOptions.StandardInput) > 1) throw new UserErrorException("the standard input is named twice", "it can be read only once: give - a single time");
        string? missing = options.Paths.FirstOrDefault(path => !IsThere(path));
        if (missing is not null) throw new UserErrorException($"{missing} does not exist", "give a file, a folder, - for the standard input, or dotnet-docs for the built-in documentation");
        if (string.IsNullOrEmpty(options.TextField)) throw new UserErrorException("the corpus option text_field is empty", "name the field of the JSON objects that holds the text");
    }

    private static bool IsThere(string path) =>
        path is CorpusOptions.ReferenceDocumentation or CorpusOptions.StandardInput || File.Exists(path) || Directory.Exists(path);

    private static string NameOf(string path) => path switch
    {
        CorpusOptions.ReferenceDocumentation => path,
        CorpusOptions.StandardInput => "stdin",
        _ => Path.GetFileName(Path.TrimEndingDirectorySeparator(Path.GetFullPath(path))),
    };
}
