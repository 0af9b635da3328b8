using Monosemantic.Activations;
using Monosemantic.Dictionaries;
using Monosemantic.Runtime;
using Monosemantic.Text;

namespace Monosemantic.Metrics.Probing;

/// <summary>A sample of a split's rows in memory: activations, what a dictionary makes of them, and where each row comes from.</summary>
internal sealed class ProbeRows
{
    private const int RowsAtOnce = 4096;

    /// <summary>Number of rows n.</summary>
    public int Rows => Documents.Length;

    /// <summary>Width of a row.</summary>
    public required int DModel { get; init; }

    /// <summary>Activations [n, d_model]; may be longer.</summary>
    public required float[] X { get; init; }

    /// <summary>Feature activations [n, d_sae].</summary>
    public required SparseCode Code { get; init; }

    /// <summary>Document of each row [n].</summary>
    public required int[] Documents { get; init; }

    /// <summary>Index of each row's token among its document's tokens [n].</summary>
    public required int[] Positions { get; init; }

    /// <summary>Token id of each row [n].</summary>
    public required int[] Tokens { get; init; }

    /// <summary>One row [d_model].</summary>
    public ReadOnlySpan<float> Row(int row) => X.AsSpan(row * DModel, DModel);

    /// <summary>Reads the first rows of a split; documents are in random order in a store unless asked otherwise.</summary>
    /// <param name="store">The store.</param>
    /// <param name="sae">The dictionary.</param>
    /// <param name="split">Which rows.</param>
    /// <param name="most">Most rows to take.</param>
    /// <param name="cancellation">Stops between batches.</param>
    /// <exception cref="UserErrorException">The split is empty, or the store does not know its tokens.</exception>
    internal static ProbeRows Read(ActivationStore store, SparseAutoencoder sae, StoreSplit split, int most, CancellationToken cancellation)
    {
        int width = store.DModel, count = 0;
        float[] x = new float[(int)Math.Min(most, store.RowCount(split)) * width];
        var codes = new List<SparseCode>();
        List<int> documents = [], positions = [], tokens = [];
        foreach (ActivationBatch batch in store.Read(RowsAtOnce, split))
        {
            cancellation.ThrowIfCancellationRequested();
            int before = count;
            for (int row = 0; row < batch.Rows && count < most; row++)
            {
                if (batch.Positions[row] < 0) continue;
                if (batch.Tokens[row] < 0) throw new UserErrorException($"{store.Folder} does not know the token of every row, which probes need", "extract the activations with this tool, or import them with their tokens");
                batch.Row(row).CopyTo(x.AsSpan(count++ * width));
                documents.Add(batch.Documents[row]);
                positions.Add(batch.Positions[row]);
                tokens.Add(batch.Tokens[row]);
            }
            if (count > before) codes.Add(sae.EncodeSparse(x.AsSpan(before * width), count - before));
            if (count >= most) break;
        }
        if (count == 0) throw new UserErrorException($"{store.Folder} holds no {(split == StoreSplit.HeldOut ? "held-out" : "training")} row, and probes are trained on training rows and tested on held-out ones", "extract the store with a held_out_fraction between 0 and 1");
        return new() { DModel = store.DModel, X = x, Code = Joined(codes), Documents = [.. documents], Positions = [.. positions], Tokens = [.. tokens] };
    }

    private static SparseCode Joined(List<SparseCode> codes)
    {
        int[] offsets = new int[codes.Sum(code => code.Rows) + 1];
        int row = 0;
        foreach (SparseCode code in codes)
        {
            for (int i = 0; i < code.Rows; i++, row++) offsets[row + 1] = offsets[row] + code.FeaturesOf(i).Length;
        }
        return new()
        {
            Rows = row,
            DSae = codes[0].DSae,
            RowOffsets = offsets,
            Features = [.. codes.SelectMany(code => code.Features.Take(code.Count))],
            Values = [.. codes.SelectMany(code => code.Values.Take(code.Count))],
        };
    }
}

/// <summary>The documents that sampled rows are of, read from the text that the store was made from.</summary>
internal sealed class ProbeText
{
    private readonly Dictionary<int, TextTokens> documents;

    private ProbeText(Dictionary<int, TextTokens> documents, IReadOnlySet<string>? types) => (this.documents, Types) = (documents, types);

    /// <summary>Full names of the documented types; null where the text is no reference documentation.</summary>
    public IReadOnlySet<string>? Types { get; }

    /// <summary>A document by its index in the corpus.</summary>
    public TextTokens Of(int document) => documents[document];

    /// <summary>Reads the documents of some rows.</summary>
    /// <param name="corpus">The text of the store.</param>
    /// <param name="plan">How the store was made.</param>
    /// <param name="tokenizer">The tokenizer of the store.</param>
    /// <param name="rows">The rows.</param>
    /// <param name="progress">Told while reading.</param>
    /// <param name="cancellation">Stops the reading.</param>
    /// <exception cref="UserErrorException">The text is another than the store's.</exception>
    internal static ProbeText Read(CorpusOptions corpus, StorePlan plan, Tokenizer tokenizer, IReadOnlyList<ProbeRows> rows, IProgress<ProgressReport>? progress, CancellationToken cancellation)
    {
        HashSet<int> wanted = [.. rows.SelectMany(part => part.Documents)];
        var kept = new Dictionary<int, TextTokens>();
        using var hasher = new CorpusHasher();
        int index = 0;
        foreach (Document document in hasher.Watch(Corpus.Read(corpus, progress, cancellation)))
        {
            if (wanted.Contains(index)) kept[index] = new TextTokens(document, tokenizer);
            index++;
        }
        if (hasher.Identify(corpus).Sha256 != plan.Corpus.Sha256) throw new UserErrorException($"{string.Join(" ", corpus.Paths)} is not the text that the activations were extracted from", $"give the same text with --text: {plan.Corpus.Source} {plan.Corpus.Version}");
        foreach (ProbeRows part in rows) Check(part, kept);
        bool reference = corpus.Paths is [CorpusOptions.ReferenceDocumentation];
        return new(kept, reference ? ReferenceDocumentation.TypeNames(ReferenceDocumentation.Locate()) : null);
    }

    private static void Check(ProbeRows rows, Dictionary<int, TextTokens> documents)
    {
        for (int row = 0; row < rows.Rows; row++)
        {
            TextTokens text = documents[rows.Documents[row]];
            int position = rows.Positions[row];
            if (position < text.Count && text.Spans[position].Token == rows.Tokens[row]) continue;
            throw new UserErrorException($"token {position} of document {rows.Documents[row]} is {rows.Tokens[row]} in the store and {(position < text.Count ? text.Spans[position].Token : "none")} in the text", "give the tokenizer and text that the store was extracted with");
        }
    }
}
