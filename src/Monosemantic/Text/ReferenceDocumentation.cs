using System.Text;
using System.Xml;
using Monosemantic.Runtime;

namespace Monosemantic.Text;

/// <summary>
/// The built-in corpus: the reference documentation of the .NET class library, which is on every machine that can build this
/// project. One document per type or member, named by its documentation id, in order of file name and then of the file.
/// A document is a heading (<c>System.IO.File.ReadAllText method</c>), the summary and remarks, and a line for each
/// parameter, for what is returned and for each exception. Entries that repeat the description of an earlier one word for
/// word are left out, and so are the hardware intrinsics, which list instructions rather than say anything.
/// </summary>
public static class ReferenceDocumentation
{
    private static readonly string[] InstructionListings = ["System.Runtime.Intrinsics.Arm.", "System.Runtime.Intrinsics.X86.", "System.Runtime.Intrinsics.Wasm."];

    /// <summary>Where the documentation is on this machine: the pinned pack, else the newest of the installed SDK.</summary>
    /// <exception cref="UserErrorException">It is nowhere.</exception>
    public static ReferenceDocumentationPack Locate() => ReferenceDocumentationPack.Find();

    /// <summary>All documents of the pack on this machine.</summary>
    /// <exception cref="UserErrorException">The pack is missing or damaged.</exception>
    public static IEnumerable<Document> Read() => Read(Locate());

    /// <summary>All documents of one pack.</summary>
    /// <param name="pack">The pack.</param>
    /// <exception cref="UserErrorException">A file of it is not the XML it should be.</exception>
    public static IEnumerable<Document> Read(ReferenceDocumentationPack pack)
    {
        ArgumentNullException.ThrowIfNull(pack);
        var names = new HashSet<string>(StringComparer.Ordinal);
        var bodies = new HashSet<string>(StringComparer.Ordinal);
        foreach ((string id, string body) in Files(pack).SelectMany(ReadFile))
        {
            if (body.Length == 0 || IsInstructionListing(id)) continue;
            if (names.Add(id) && bodies.Add(body)) yield return new Document(id, $"{Heading(id)}\n{body}");
        }
    }

    /// <summary>Full names of all documented types, with generic arity: what <see cref="DocumentationId.Parse"/> needs to tell
    /// a namespace from an outer type.</summary>
    /// <param name="pack">The pack.</param>
    public static IReadOnlySet<string> TypeNames(ReferenceDocumentationPack pack)
    {
        ArgumentNullException.ThrowIfNull(pack);
        IEnumerable<string> ids = Files(pack).SelectMany(ReadFile).Select(entry => entry.Id);
        return ids.Where(id => id.StartsWith("T:", StringComparison.Ordinal)).Select(id => id[2..]).ToHashSet(StringComparer.Ordinal);
    }

    private static IEnumerable<string> Files(ReferenceDocumentationPack pack) =>
        Directory.EnumerateFiles(pack.Folder, "*.xml").OrderBy(Path.GetFileName, StringComparer.Ordinal);

    private static bool IsInstructionListing(string id) =>
        InstructionListings.Any(name => id.AsSpan(2).StartsWith(name, StringComparison.Ordinal));

    private static string Heading(string id)
    {
        var entry = DocumentationId.Parse(id);
        return $"{entry.FullName} {entry.Kind.ToString().ToLowerInvariant()}";
    }

    private static IEnumerable<(string Id, string Body)> ReadFile(string path)
    {
        using XmlReader reader = Open(path);
        var prose = new ReferenceDocumentationProse();
        while (NextGuarded(reader, prose, path) is { } entry) yield return entry;
    }

    private static (string Id, string Body)? NextGuarded(XmlReader reader, ReferenceDocumentationProse prose, string path)
    {
        try
        {
            return Next(reader, prose);
        }
        catch (Exception failure) when (failure is XmlException or DecoderFallbackException or IOException)
        {
            throw new UserErrorException($"{path} cannot be read as XML: {failure.Message}", "the package cache is damaged: delete that package's folder and restore again", failure);
        }
    }

    private static (string Id, string Body)? Next(XmlReader reader, ReferenceDocumentationProse prose)
    {
        while (reader.Read())
        {
            bool isMember = reader is { NodeType: XmlNodeType.Element, Name: "member" };
            if (isMember && reader.GetAttribute("name") is { Length: > 2 } id) return (id, ReadBody(reader, id, prose));
        }
        return null;
    }

    private static string ReadBody(XmlReader reader, string id, ReferenceDocumentationProse prose)
    {
        var sections = new List<(int Rank, string Text)>();
        if (reader.IsEmptyElement) return "";
        int depth = reader.Depth;
        while (reader.Read() && reader.Depth > depth)
        {
            if (reader.NodeType == XmlNodeType.Element && ReadSection(reader, id, prose) is { } section) sections.Add(section);
        }
        // OrderBy is stable: parameters and exceptions stay in their own order. Some sources say the same line twice.
        return string.Join('\n', sections.OrderBy(section => section.Rank).Select(section => section.Text).Distinct());
    }

    private static (int Rank, string Text)? ReadSection(XmlReader reader, string id, ReferenceDocumentationProse prose)
    {
        (int rank, string label) = reader.Name switch
        {
            "summary" => (0, ""),
            "remarks" => (1, ""),
            "typeparam" => (2, $"Type parameter {reader.GetAttribute("name")}: "),
            "param" => (3, $"Parameter {reader.GetAttribute("name")}: "),
            "value" => (4, "Value: "),
            "returns" => (5, id[0] == 'P' ? "Value: " : "Returns: "),
            "exception" => (6, $"Throws {DocumentationId.Parse(reader.GetAttribute("cref") ?? "").ShortName}: "),
            "example" => (7, "Example: "),
            _ => (-1, ""),
        };
        string text = prose.ReadElement(reader);
        return rank < 0 || !text.Any(char.IsLetterOrDigit) ? null : (rank, label + text);
    }

    private static XmlReader Open(string path)
    {
        var settings = new XmlReaderSettings { DtdProcessing = DtdProcessing.Prohibit, XmlResolver = null, IgnoreComments = true, IgnoreProcessingInstructions = true, CloseInput = true };
        return XmlReader.Create(new StreamReader(path, new UTF8Encoding(false, throwOnInvalidBytes: true)), settings);
    }
}
