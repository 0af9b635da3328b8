namespace Monosemantic.Dictionaries;

/// <summary>
/// Decides which features of a token get an entry in the code. One per worker and part of a batch, as it may keep a guess from row
/// to row; a guess changes the time, never the result. Entries of a row are appended in ascending order of the feature.
/// </summary>
internal abstract unsafe class RowSelector
{
    /// <summary>Whether a row has to come whole, rather than in stretches of features one after the other.</summary>
    internal virtual bool WantsWholeRows => false;

    /// <summary>Most entries of a row; what stretches give together may be more, and is narrowed.</summary>
    internal virtual int Most => int.MaxValue;

    /// <summary>Selects from a stretch of one row of the encoder product.</summary>
    /// <param name="product">x W_enc of one token, without bias; its index is the feature's.</param>
    /// <param name="first">The stretch's first feature.</param>
    /// <param name="end">The feature after its last.</param>
    /// <param name="rowBar">What the row's stretches so far say that a rank must be above; at first negative infinity.</param>
    /// <param name="into">Receives the entries.</param>
    internal abstract void Select(float* product, int first, int end, ref float rowBar, TileEntries into);

    /// <summary>Cuts a row down to <see cref="Most"/> entries.</summary>
    /// <param name="entries">The entries.</param>
    /// <param name="first">The row's first entry; it is the last row.</param>
    internal virtual void Narrow(TileEntries entries, int first)
    {
    }
}
