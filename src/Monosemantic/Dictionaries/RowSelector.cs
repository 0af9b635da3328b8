namespace Monosemantic.Dictionaries;

/// <summary>
/// Decides which features of a token get an entry in the code. One per worker and batch, as it may keep a guess from row to
/// row; a guess changes the time, never the result. Entries of a row are appended in ascending order of the feature.
/// </summary>
internal abstract unsafe class RowSelector
{
    /// <summary>Selects from one row of the encoder product.</summary>
    /// <param name="product">x W_enc of one token [d_sae], without bias.</param>
    /// <param name="into">Receives the entries.</param>
    internal abstract void Select(float* product, TileEntries into);
}
