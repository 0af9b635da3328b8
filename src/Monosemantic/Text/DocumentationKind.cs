namespace Monosemantic.Text;

/// <summary>What an entry of the reference documentation describes.</summary>
public enum DocumentationKind
{
    /// <summary>A class, structure, interface, enumeration or delegate.</summary>
    Type,

    /// <summary>A constructor.</summary>
    Constructor,

    /// <summary>A method that is neither a constructor nor an operator.</summary>
    Method,

    /// <summary>An operator or a conversion.</summary>
    Operator,

    /// <summary>A property or an indexer.</summary>
    Property,

    /// <summary>A field or a value of an enumeration.</summary>
    Field,

    /// <summary>An event.</summary>
    Event,

    /// <summary>A namespace.</summary>
    Namespace,
}
