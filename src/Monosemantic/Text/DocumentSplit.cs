using System.Buffers.Binary;
using System.IO.Hashing;

namespace Monosemantic.Text;

/// <summary>
/// Which documents are held out from training. The choice depends on the seed and the document's index alone, so that every
/// stage (language model, activations, dictionary, evaluation) agrees on it without passing lists around.
/// </summary>
/// <param name="Seed">Seed of the choice.</param>
/// <param name="HeldOutFraction">Share of documents held out, 0 to 1.</param>
public sealed record DocumentSplit(long Seed, double HeldOutFraction)
{
    /// <summary>Whether a document is held out.</summary>
    /// <param name="document">The document's index in corpus order.</param>
    public bool IsHeldOut(int document)
    {
        Span<byte> key = stackalloc byte[12];
        BinaryPrimitives.WriteInt64LittleEndian(key, Seed);
        BinaryPrimitives.WriteInt32LittleEndian(key[8..], document);
        return (XxHash3.HashToUInt64(key) >> 11) * (1.0 / (1UL << 53)) < HeldOutFraction;
    }
}
