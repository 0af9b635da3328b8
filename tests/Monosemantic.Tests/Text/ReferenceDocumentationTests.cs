using System.Text.RegularExpressions;
using Monosemantic.Runtime;
using Monosemantic.Text;

namespace Monosemantic.Tests.Text;

public sealed class ReferenceDocumentationTests : IDisposable
{
    private static readonly Lazy<Document[]> Whole = new(() => [.. ReferenceDocumentation.Read()]);

    private readonly string folder = Directory.CreateTempSubdirectory("monosemantic-tests-").FullName;

    public void Dispose() => Directory.Delete(folder, recursive: true);

    [Fact]
    public void A_method_becomes_a_heading_a_summary_and_a_line_for_each_part()
    {
        const string member = """
            <member name="M:N.File.Read``1(System.String,``0)">
              <summary>Reads a <see cref="T:System.String" /> from
                 <paramref name="path" /> (see <see cref="M:N.File.Write(System.String)" />).</summary>
              <param name="path"> <see langword="null" /> or a <c>path</c> ).</param>
              <param name="empty" />
              <exception cref="T:System.IO.IOException"><paramref name="path" /> is &lt;bad&gt;.

             -or-

             It is .NET only.</exception>
              <exception cref="T:System.IO.IOException"><paramref name="path" /> is &lt;bad&gt;. -or- It is .NET only.</exception>
              <returns>A <see cref="T:System.Collections.Generic.List`1" /> of <typeparamref name="T" />.</returns>
              <typeparam name="T">The type.</typeparam>
              <seealso cref="T:System.String" />
            </member>
            """;

        Assert.Equal(
            """
            N.File.Read method
            Reads a String from path (see File.Write).
            Type parameter T: The type.
            Parameter path: null or a path).
            Returns: A List of T.
            Throws IOException: path is <bad>. -or- It is .NET only.
            """,
            Assert.Single(Read(member)).Text);
    }

    [Fact]
    public void Paragraphs_and_items_get_a_line_each_and_words_stay_apart()
    {
        const string member = """
            <member name="P:N.A.B"><summary><para>One.</para><para>Two.</para>Three:<list type="table"><listheader><term>Value</term><description>Meaning</description></listheader><item><term>0</term><description>none</description></item></list></summary><returns>10<sup><paramref name="x"/></sup><br />end of `code` and List`1</returns></member>
            """;

        Assert.Equal("N.A.B property\nOne.\nTwo.\nThree:\nValue: Meaning\n0: none\nValue: 10^x\nend of code and List", Assert.Single(Read(member)).Text);
    }

    [Fact]
    public void Repeated_descriptions_and_entries_without_words_are_left_out()
    {
        Document[] documents = Read(
            "<member name='F:N.A.X'><summary>Same.</summary></member>",
            "<member name='F:N.A.Y'><summary>Same.</summary></member>",
            "<member name='F:N.A.Z'><summary> . </summary></member>",
            "<member name='F:N.A.W'/>",
            "<member name='M:System.Runtime.Intrinsics.X86.Avx.Add'><summary>__m256i _mm256_add (a)</summary></member>");

        Assert.Equal(["F:N.A.X"], documents.Select(document => document.Name));
    }

    [Theory]
    [InlineData("<doc><members><member name='T:A'><summary>a</summary></member><member")]
    [InlineData("<!DOCTYPE doc [<!ENTITY e SYSTEM 'file:///etc/passwd'>]><doc><members><member name='T:A'><summary>&e;</summary></member></members></doc>")]
    public void Damaged_or_hostile_XML_is_refused(string xml)
    {
        File.WriteAllText(Path.Combine(folder, "a.xml"), xml);

        var error = Assert.Throws<UserErrorException>(() => ReferenceDocumentation.Read(new(folder, "1.0.0")).ToList());

        Assert.Contains("a.xml", error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("T:System.String", DocumentationKind.Type, "System", "String", "", "String")]
    [InlineData("T:System.Collections.Generic.Dictionary`2.Enumerator", DocumentationKind.Type, "System.Collections.Generic", "Dictionary.Enumerator", "", "Enumerator")]
    [InlineData("M:System.IO.File.ReadAllText(System.String)", DocumentationKind.Method, "System.IO", "File", "ReadAllText", "File.ReadAllText")]
    [InlineData("M:System.Linq.Enumerable.Select``2(System.Collections.Generic.IEnumerable{``0})", DocumentationKind.Method, "System.Linq", "Enumerable", "Select", "Enumerable.Select")]
    [InlineData("M:System.String.#ctor(System.Char[])", DocumentationKind.Constructor, "System", "String", "", "String")]
    [InlineData("M:System.Decimal.op_Explicit(System.Decimal)~System.Byte", DocumentationKind.Operator, "System", "Decimal", "Explicit", "Decimal.Explicit")]
    [InlineData("P:System.A`1.System#Collections#Generic#IDictionary{TKey@TValue}#Item(`0)", DocumentationKind.Property, "System", "A", "IDictionary.Item", "A.IDictionary.Item")]
    [InlineData("M:System.Char.System#Numerics#IBinaryInteger<System#Char>#GetByteCount", DocumentationKind.Method, "System", "Char", "IBinaryInteger.GetByteCount", "Char.IBinaryInteger.GetByteCount")]
    [InlineData("F:System.Environment.SpecialFolder.Desktop", DocumentationKind.Field, "System", "Environment.SpecialFolder", "Desktop", "SpecialFolder.Desktop")]
    [InlineData("E:System.Console.CancelKeyPress", DocumentationKind.Event, "System", "Console", "CancelKeyPress", "Console.CancelKeyPress")]
    [InlineData("N:System.Data", DocumentationKind.Namespace, "System.Data", "", "", "System.Data")]
    [InlineData("Overload:System.Type.InvokeMember", DocumentationKind.Method, "System", "Type", "InvokeMember", "Type.InvokeMember")]
    [InlineData("System.IO.Stream.Read(System.Byte[])", DocumentationKind.Method, "System.IO", "Stream", "Read", "Stream.Read")]
    public void A_documentation_id_gives_kind_namespace_and_names(string id, DocumentationKind kind, string space, string type, string member, string shortName)
    {
        var parsed = DocumentationId.Parse(id, new HashSet<string> { "System.Environment" });

        Assert.Equal(new DocumentationId(kind, space, type, member), parsed);
        Assert.Equal(shortName, parsed.ShortName);
    }

    [Fact]
    public void The_pinned_pack_is_preferred_and_the_newest_installed_one_is_the_fallback()
    {
        string cache = Path.Combine(folder, "cache"), dotnet = Path.Combine(folder, "dotnet");
        MakePack(dotnet, "packs/Microsoft.NETCore.App.Ref/10.0.9/ref/net10.0");
        MakePack(dotnet, "packs/Microsoft.NETCore.App.Ref/10.0.12/ref/net10.0");
        Directory.CreateDirectory(Path.Combine(dotnet, "packs/Microsoft.NETCore.App.Ref/11.0.0"));

        Assert.Equal("10.0.12", ReferenceDocumentationPack.Find([cache], [dotnet]).Version);
        MakePack(cache, $"microsoft.netcore.app.ref/{ReferenceDocumentationPack.PinnedVersion}/ref/net10.0");
        Assert.Equal(ReferenceDocumentationPack.PinnedVersion, ReferenceDocumentationPack.Find([cache], [dotnet]).Version);
        Assert.Contains("dotnet restore", Assert.Throws<UserErrorException>(() => ReferenceDocumentationPack.Find([], [])).Hint, StringComparison.Ordinal);
    }

    [Fact]
    public void The_whole_documentation_is_the_pinned_text()
    {
        Assert.SkipUnless(ReferenceDocumentation.Locate().Version == ReferenceDocumentationPack.PinnedVersion, "the pinned reference pack is not restored here; the installed one was found");
        using var hasher = new CorpusHasher();
        foreach (Document document in Whole.Value) hasher.Add(document);

        CorpusIdentity identity = hasher.Identify(new CorpusOptions());

        Assert.Equal(new CorpusIdentity("dotnet-docs", "10.0.10", PinnedSha256, PinnedDocuments, PinnedCharacters), identity);
    }

    [Fact]
    public void No_document_has_traces_of_markup_or_layout()
    {
        var trace = new Regex(@"  | [,;:)](\s|$)| \.(\s|$)|\( |`|#ctor|</?(see|para|paramref|list)\b|&(lt|gt|amp|quot);|(Returns|Value|Throws|Parameter)( \w+)?:\s*\.?$|\t|\r|\n\n|^\s|\s$", RegexOptions.Multiline | RegexOptions.Compiled);
        Assert.All(Whole.Value, document => Assert.False(trace.Match(document.Text) is { Success: true } found && found.Length > 0, $"{document.Name}: {document.Text}"));
    }

    [Fact]
    public void Every_type_name_is_known_and_separates_namespace_from_outer_type()
    {
        IReadOnlySet<string> types = ReferenceDocumentation.TypeNames(ReferenceDocumentation.Locate());

        Assert.Contains("System.Collections.Generic.List`1", types);
        Assert.Equal("System", DocumentationId.Parse("F:System.Environment.SpecialFolder.Desktop", types).Namespace);
        Assert.Equal("System.Text.Json", DocumentationId.Parse("M:System.Text.Json.JsonElement.ArrayEnumerator.MoveNext", types).Namespace);
    }

    private const string PinnedSha256 = "eb8f2da369c84766050ae4c2c3e1da64fc0a7d7b4f425228975a5098dc8a6ad1";
    private const int PinnedDocuments = 42588;
    private const long PinnedCharacters = 14451486;

    private Document[] Read(params string[] members)
    {
        File.WriteAllText(Path.Combine(folder, "a.xml"), $"<doc><members>{string.Concat(members)}</members></doc>");
        return [.. ReferenceDocumentation.Read(new(folder, "1.0.0"))];
    }

    private static void MakePack(string root, string path)
    {
        Directory.CreateDirectory(Path.Combine(root, path));
        File.WriteAllText(Path.Combine(root, path, "System.xml"), "<doc/>");
    }
}
