namespace Monosemantic.Text;

/// <summary>
/// What a documentation id such as <c>M:System.IO.File.ReadAllText(System.String)</c> says about its entry. The format is the
/// one of the C# specification's annex on documentation comments ("ID string format").
/// </summary>
/// <param name="Kind">What the entry describes.</param>
/// <param name="Namespace">The namespace, such as <c>System.IO</c>; empty for none.</param>
/// <param name="Type">The type, outer types first: <c>File</c>, <c>Dictionary.Enumerator</c>; empty for a namespace.</param>
/// <param name="Member">The member's name, <c>ReadAllText</c>; empty for types, namespaces and constructors.</param>
public sealed record DocumentationId(DocumentationKind Kind, string Namespace, string Type, string Member)
{
    /// <summary>
    /// Namespace, type and member joined by dots, without generic arity and parameters: <c>System.IO.File.ReadAllText</c>.
    /// </summary>
    public string FullName => string.Join('.', new[] { Namespace, Type, Member }.Where(part => part.Length > 0));

    /// <summary>A name short enough for a sentence: <c>File</c> for a type, <c>File.ReadAllText</c> for a member.</summary>
    public string ShortName
    {
        get
        {
            if (Kind == DocumentationKind.Namespace) return Namespace;
            string type = Type[(Type.LastIndexOf('.') + 1)..];
            return Member.Length == 0 ? type : $"{type}.{Member}";
        }
    }

    /// <summary>Takes a documentation id apart.</summary>
    /// <param name="id">The id, with or without its kind letter and colon; without, a name with parameters is taken for a
    /// method and any other for a type.</param>
    /// <param name="types">
    /// Full names of the known types, with generic arity (<see cref="ReferenceDocumentation.TypeNames"/>). An id does not say
    /// where the namespace ends; without this, only generic outer types are recognised as types rather than namespaces.
    /// </param>
    public static DocumentationId Parse(string id, IReadOnlySet<string>? types = null)
    {
        ArgumentNullException.ThrowIfNull(id);
        (string prefix, string path) = SplitPrefix(id);
        string name = WithoutParameters(path);
        if (prefix == "N") return new DocumentationId(DocumentationKind.Namespace, name, "", "");
        bool isType = prefix == "T" || (prefix.Length == 0 && name == path);
        if (isType) return WithType(DocumentationKind.Type, name, "", types);
        int dot = name.LastIndexOf('.');
        string type = dot < 0 ? "" : name[..dot], member = name[(dot + 1)..];
        if (member is "#ctor" or "#cctor") return WithType(DocumentationKind.Constructor, type, "", types);
        if (prefix is not ("P" or "F" or "E") && member.StartsWith("op_", StringComparison.Ordinal)) return WithType(DocumentationKind.Operator, type, member[3..], types);
        return WithType(KindOf(prefix), type, ReadableMember(member), types);
    }

    private static (string Prefix, string Path) SplitPrefix(string id)
    {
        int colon = id.IndexOf(':');
        return colon is < 0 or > 8 ? ("", id) : (id[..colon], id[(colon + 1)..]);
    }

    private static DocumentationKind KindOf(string prefix) => prefix switch
    {
        "P" => DocumentationKind.Property,
        "F" => DocumentationKind.Field,
        "E" => DocumentationKind.Event,
        _ => DocumentationKind.Method,
    };

    private static DocumentationId WithType(DocumentationKind kind, string fullType, string member, IReadOnlySet<string>? types)
    {
        int end = NamespaceEnd(fullType, types);
        string inner = string.Join('.', fullType[(end < 0 ? 0 : end + 1)..].Split('.').Select(WithoutArity));
        return new DocumentationId(kind, end < 0 ? "" : fullType[..end], inner, member);
    }

    // The dot before the outermost type: the first prefix that is a known or a generic type, else the last dot.
    private static int NamespaceEnd(string fullType, IReadOnlySet<string>? types)
    {
        int before = -1;
        for (int dot = fullType.IndexOf('.'); dot >= 0; dot = fullType.IndexOf('.', dot + 1))
        {
            if (types?.Contains(fullType[..dot]) == true || fullType.AsSpan(before + 1, dot - before - 1).Contains('`')) return before;
            before = dot;
        }
        return before;
    }

    // Parameters start at the first bracket that is not part of an explicitly implemented interface's type arguments.
    private static string WithoutParameters(string name)
    {
        int depth = 0;
        for (int at = 0; at < name.Length; at++)
        {
            depth += name[at] switch { '{' or '<' => 1, '}' or '>' => -1, _ => 0 };
            if (depth == 0 && name[at] is '(' or '~' or '[' or '@' or '*') return WithoutTypeArguments(name[..at]);
        }
        return WithoutTypeArguments(name);
    }

    private static string WithoutTypeArguments(string name)
    {
        if (name.AsSpan().IndexOfAny('{', '<') < 0) return name;
        var kept = new System.Text.StringBuilder(name.Length);
        int depth = 0;
        foreach (char letter in name)
        {
            if (letter is '{' or '<') depth++;
            else if (letter is '}' or '>') depth = Math.Max(0, depth - 1);
            else if (depth == 0) kept.Append(letter);
        }
        return kept.ToString();
    }

    // An explicit implementation is written System#Collections#IList#Insert: keep IList.Insert.
    private static string ReadableMember(string member)
    {
        string[] parts = member.Split('#');
        return parts.Length < 2 ? WithoutArity(member) : $"{WithoutArity(parts[^2])}.{WithoutArity(parts[^1])}";
    }

    private static string WithoutArity(string name) => name.IndexOf('`') is >= 0 and int tick ? name[..tick] : name;
}
