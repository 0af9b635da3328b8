using Monosemantic.Activations;
using Monosemantic.Runtime;
using Monosemantic.Text;

namespace Monosemantic.Benchmarks;

/// <summary>An extraction whose model costs nothing, so that what is measured is the data plane.</summary>
internal static class SimulatedExtraction
{
    private const int Width = 64, Vocabulary = 1000, DocumentTokens = 200;

    /// <summary>The most memory that this process takes while extracting so many rows, its text included.</summary>
    internal static long PeakBytes(string folder, int rows)
    {
        GC.Collect();
        // Linux: writing 5 sets the peak resident size back to the present one.
        if (OperatingSystem.IsLinux()) File.WriteAllText("/proc/self/clear_refs", "5");
        var config = new ExtractionConfig { Model = "simulated", Hooks = ["a"], Rows = rows };
        using var documents = new TokenizedDocuments();
        int[] tokens = new int[DocumentTokens];
        for (int i = 0; i < rows / DocumentTokens * 1.02; i++)
        {
            for (int t = 0; t < tokens.Length; t++) tokens[t] = (i + t) % Vocabulary;
            documents.Add(tokens);
        }
        var corpus = new TokenizedCorpus(documents, new CorpusIdentity("simulated", null, "", documents.Count, 0), "", 0);
        using var extraction = new Extraction(config, Source(), corpus);
        StoreManifest manifest = extraction.Run(folder).Single();
        if (manifest.Rows != rows) throw new InvalidOperationException($"{manifest.Rows:N0} rows were stored, not {rows:N0}");
        Directory.Delete(folder, recursive: true);
        return ProcessMemory.Peak;
    }

    private static ActivationSource Source()
    {
        float[] values = new float[4096 * Width];
        var random = new SeededRandom(1);
        for (int i = 0; i < values.Length; i++) values[i] = (float)random.NextNormal();
        return new(new("simulated", ""), [new HookedWidth("a", Width)], 128, Vocabulary, (contexts, receive) =>
            receive(0, values.AsSpan(0, contexts.Length * contexts.Max(context => context.Length) * Width)));
    }
}
