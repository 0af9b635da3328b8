namespace Monosemantic.Runtime;

/// <summary>
/// Names what writes a type's HTML. .NET Interactive finds attributes of this name by reflection, so that a type has a rich
/// form in a notebook without this library knowing that kernel.
/// </summary>
/// <param name="formatterSourceType">The type with <c>CreateTypeFormatters</c>; see <see cref="RichDisplay"/>.</param>
[AttributeUsage(AttributeTargets.Class | AttributeTargets.Struct)]
public sealed class TypeFormatterSourceAttribute(Type formatterSourceType) : Attribute
{
    /// <summary>The type with <c>CreateTypeFormatters</c>.</summary>
    public Type FormatterSourceType => formatterSourceType;
}

/// <summary>How values look in a notebook: HTML with its styles inline, no script, everything from outside escaped.</summary>
public sealed class RichDisplay
{
    private static Func<object, string?> renderer = _ => null;

    /// <summary>The HTML of a value; null where it has no form of its own.</summary>
    /// <param name="value">Any value.</param>
    public static string? Html(object value) => renderer(value);

    /// <summary>The formatters of a type that names this class; called by .NET Interactive.</summary>
#pragma warning disable CA1822 // Called on an instance, by reflection.
    public IEnumerable<object> CreateTypeFormatters() => [new RichDisplayFormatter()];
#pragma warning restore CA1822

    /// <summary>Sets who draws: the layer of reports, which lower layers do not know.</summary>
    internal static void Use(Func<object, string?> draw) => renderer = draw;
}

/// <summary>Writes a value's HTML; its members are what .NET Interactive expects of a formatter.</summary>
public sealed class RichDisplayFormatter
{
    /// <summary>What it writes.</summary>
    public string MimeType { get; } = "text/html";

    /// <summary>Writes a value.</summary>
    /// <param name="instance">The value.</param>
    /// <param name="writer">Where it goes.</param>
    /// <returns>Whether it has a form.</returns>
#pragma warning disable CA1822 // Called on an instance, by reflection.
    public bool Format(object instance, TextWriter writer)
#pragma warning restore CA1822
    {
        ArgumentNullException.ThrowIfNull(instance);
        ArgumentNullException.ThrowIfNull(writer);
        if (RichDisplay.Html(instance) is not { } html) return false;
        writer.Write(html);
        return true;
    }
}
