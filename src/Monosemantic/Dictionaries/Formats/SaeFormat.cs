using System.Collections.Immutable;
using Monosemantic.Runtime;

namespace Monosemantic.Dictionaries.Formats;

/// <summary>
/// How a tool stores sparse autoencoders: one file here for each. A reader turns another tool's files into what this one
/// computes with, refuses every key and tensor that it does not know, and never guesses; a writer gives files that the
/// other tool loads.
/// </summary>
public abstract class SaeFormat
{
    private protected SaeFormat() { }

    /// <summary>The formats there are.</summary>
    public static ImmutableArray<SaeFormat> All { get; } =
    [
        new NativeFormat(), new SaeLensFormat(), new DictionaryLearningFormat(), new SparsifyFormat(),
        new GemmaScopeFormat(), new GemmaScope2Format(), new LlamaScopeFormat(), new LlamaScopiumFormat(), new OpenAiFormat(), new CircuitTracerFormat(), new CrossLayerTranscoderFormat(),
    ];

    /// <summary>Name on the command line.</summary>
    public abstract string Name { get; }

    /// <summary>Whose it is and what it can hold, in one line.</summary>
    public abstract string Summary { get; }

    /// <summary>The files that it is recognised by.</summary>
    public abstract string Layout { get; }

    /// <summary>Whether it can be written.</summary>
    public virtual bool Writes => false;

    /// <summary>Whether it can be written in other element types than float32.</summary>
    internal virtual bool TakesDtypes => Writes;

    /// <summary>Finds a format by name.</summary>
    /// <param name="name">Its name.</param>
    /// <exception cref="UserErrorException">There is none of that name.</exception>
    public static SaeFormat Of(string name) => All.FirstOrDefault(format => format.Name == name) ?? throw new UserErrorException(
        $"the format is \"{name}\"; it must be one of {Names}", Suggestion.Nearest(name, All.Select(format => format.Name)) is { } near ? $"did you mean {near}?" : "see `monosemantic list formats`");

    /// <summary>The format of what lies at a path.</summary>
    /// <param name="path">A folder or file.</param>
    /// <exception cref="UserErrorException">It is none of them, or more than one.</exception>
    public static SaeFormat Recognise(string path)
    {
        SaeFiles files = SaeFiles.At(path);
        SaeFormat[] found = [.. All.Where(format => format.Recognises(files))];
        if (found.Length == 1) return found[0];
        if (found.Length > 1) throw new UserErrorException($"{path} can be read as {string.Join(" and as ", found.Select(format => $"{format.Name} ({format.Layout})"))}", "say which with --format, or leave only the files of one in the folder");
        string wanted = string.Join("; ", All.Select(format => $"{format.Name}: {format.Layout}"));
        throw files.Single is null
            ? new UserErrorException($"{path} holds no {SaeStorage.ManifestName} and no files of another known format (it has {files.Listing()}): it is no sparse autoencoder, or one whose training has not finished", $"check the path, or resume the training; known are {wanted}")
            : new UserErrorException($"{path} is no sparse autoencoder of a known format", $"known are {wanted}");
    }

    /// <summary>Reads what lies at a path.</summary>
    /// <param name="path">A folder or file.</param>
    /// <param name="format">Name of its format; null to recognise it.</param>
    /// <exception cref="UserErrorException">It is of no known format, damaged, or holds something that is not known.</exception>
    public static SaeImport Load(string path, string? format = null)
    {
        ArgumentNullException.ThrowIfNull(path);
        return (format is null ? Recognise(path) : Of(format)).Read(SaeFiles.At(path));
    }

    /// <summary>SHA-256 that stands for all files of the autoencoder at a path.</summary>
    internal static string Hash(string path)
    {
        SaeFiles files = SaeFiles.At(path);
        SaeFormat format = Recognise(path);
        if (format is NativeFormat) return Hashing.OfFile(files.Of(SaeStorage.ManifestName));
        return Hashing.OfText(string.Concat(format.Parts(files).Select(name => $"{name} {Hashing.OfFile(files.Of(name))}\n")));
    }

    /// <summary>Whether the files are of this format; looks at names, and where they do not tell, at headers.</summary>
    internal abstract bool Recognises(SaeFiles files);

    /// <summary>Names of the files that are read.</summary>
    internal abstract ImmutableArray<string> Parts(SaeFiles files);

    /// <summary>Reads the files.</summary>
    internal abstract SaeImport Read(SaeFiles files);

    /// <summary>How an autoencoder would be written.</summary>
    /// <exception cref="UserErrorException">The format cannot hold it.</exception>
    internal virtual SaePlan Plan(SparseAutoencoder sae) => throw new UserErrorException($"{Name} is read, not written", $"written are {string.Join(", ", All.Where(format => format.Writes).Select(format => format.Name))}");

    /// <summary>How an autoencoder would be written to be trained on by the format's own tool.</summary>
    /// <exception cref="UserErrorException">The format has no such form, or cannot hold it.</exception>
    internal virtual SaePlan PlanTraining(SparseAutoencoder sae) => throw new UserErrorException($"{Name} is not written as a training checkpoint", "only saelens is; leave --training out");

    /// <summary>The refusal of what the format cannot hold.</summary>
    private protected UserErrorException CannotHold(string what) => new($"{Name} cannot hold {what}", $"convert to native, which holds everything; see `monosemantic list formats`");

    private static string Names => string.Join(", ", All.Select(format => format.Name));
}

/// <summary>How an autoencoder is written in a format.</summary>
/// <param name="Write">Writes into a folder, in an element type.</param>
/// <param name="Losses">What the files cannot say and therefore changes, one line each; none where they compute the same.</param>
internal sealed record SaePlan(Action<string, SaeDtype> Write, ImmutableArray<string> Losses)
{
    internal SaePlan(Action<string, SaeDtype> write)
        : this(write, []) { }
}
