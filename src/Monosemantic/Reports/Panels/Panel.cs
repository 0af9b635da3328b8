namespace Monosemantic.Reports.Panels;

/// <summary>
/// One part of a report. A panel is one file (its data record, how the record is made from the report's data, how it is drawn)
/// and one line in <see cref="ReportPanels"/>. Derive from <see cref="Panel{T}"/>.
/// </summary>
public abstract class Panel
{
    /// <summary>Its anchor in the page: lower case, hyphens.</summary>
    public abstract string Id { get; }

    /// <summary>Its heading.</summary>
    public abstract string Title { get; }

    /// <summary>Whether it belongs to the overview; otherwise it stands below it at full width and draws its own frame.</summary>
    public virtual bool InOverview => true;

    /// <summary>The type of its data record.</summary>
    public abstract Type ContentType { get; }

    /// <summary>Takes from the report's data what the panel shows; null where there is nothing to show.</summary>
    /// <param name="data">The report's data.</param>
    public abstract object? BuildContent(ReportData data);

    /// <summary>Draws the panel.</summary>
    /// <param name="content">What <see cref="BuildContent"/> returned.</param>
    public abstract Markup RenderContent(object content);
}

/// <summary>A panel by the type of its data.</summary>
/// <typeparam name="T">The panel's data: a record that survives JSON.</typeparam>
public abstract class Panel<T> : Panel
    where T : class
{
    /// <inheritdoc/>
    public sealed override Type ContentType => typeof(T);

    /// <summary>Takes from the report's data what the panel shows; null where there is nothing to show.</summary>
    /// <param name="data">The report's data.</param>
    public abstract T? Build(ReportData data);

    /// <summary>Draws the panel: a pure function of its data.</summary>
    /// <param name="content">The panel's data.</param>
    public abstract Markup Render(T content);

    /// <inheritdoc/>
    public sealed override object? BuildContent(ReportData data) => Build(data);

    /// <inheritdoc/>
    public sealed override Markup RenderContent(object content) => Render((T)content);
}
