using System.Diagnostics.CodeAnalysis;

namespace Monosemantic.Activations;

/// <summary>
/// Consecutive or shuffled rows of one hook point with where each comes from. A batch that a stream gave is valid until the next
/// but one is asked for, and its arrays may be longer than <see cref="Rows"/> asks for: copy what has to last. What is not asked
/// for costs nothing: origins are read from the disk, and values copied, when they are first looked at.
/// </summary>
public sealed class ActivationBatch
{
    private readonly BatchBuffer? buffer;
    private readonly long generation;
    private readonly float[] values = [];
    private readonly int[] documents = [], positions = [], tokens = [];

    /// <summary>A batch of one's own.</summary>
    public ActivationBatch()
    {
    }

    [SetsRequiredMembers]
    internal ActivationBatch(BatchBuffer buffer, int rows, int dModel, long index)
    {
        this.buffer = buffer;
        generation = buffer.Generation;
        (Rows, DModel, Index) = (rows, dModel, index);
        (Values, Documents, Positions, Tokens) = ([], [], [], []);
    }

    /// <summary>Number of rows n.</summary>
    public required int Rows { get; init; }

    /// <summary>Width of a row, d_model.</summary>
    public required int DModel { get; init; }

    /// <summary>Number of the batch in its stream, from 0; a stream that is told to begin with this number gives this batch first.</summary>
    public long Index { get; init; }

    /// <summary>Activations [n, d_model], row-major, in an array; see <see cref="Span"/> for reading them where they lie.</summary>
    public required float[] Values
    {
        get => Valid is { } from ? from.ValuesInArray() : values;
        init => values = value;
    }

    /// <summary>Activations [n, d_model], row-major, where they lie: no copy for float32 stores read in order.</summary>
    public ReadOnlySpan<float> Span => (Valid is { } from ? from.ValuesInPlace() : values)[..(Rows * DModel)];

    /// <summary>Index of each row's document in its corpus [n].</summary>
    public required int[] Documents
    {
        get => Valid is { } from ? from.Origins().Documents : documents;
        init => documents = value;
    }

    /// <summary>Index of each row's token among its document's tokens [n]; -1 for an inserted token.</summary>
    public required int[] Positions
    {
        get => Valid is { } from ? from.Origins().Positions : positions;
        init => positions = value;
    }

    /// <summary>Each row's token id [n]; -1 where it is not known.</summary>
    public required int[] Tokens
    {
        get => Valid is { } from ? from.Origins().Tokens : tokens;
        init => tokens = value;
    }

    /// <summary>One row [d_model].</summary>
    /// <param name="row">Which, 0 to n-1.</param>
    public ReadOnlySpan<float> Row(int row) => Span.Slice(row * DModel, DModel);

    // The buffer as long as it still holds this batch.
    private BatchBuffer? Valid => buffer is null || buffer.Generation == generation
        ? buffer
        : throw new InvalidOperationException("this batch is gone: its memory was used for a later batch of the stream; copy what has to last");
}
