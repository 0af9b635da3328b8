using System.Collections.Immutable;
using System.IO.Compression;
using System.Text.Json;
using Monosemantic.Dictionaries;
using Monosemantic.Features;
using Monosemantic.Features.Exports;
using Monosemantic.Runtime;
using Monosemantic.Tests.Dictionaries;
using Monosemantic.Tests.EndToEnd;

namespace Monosemantic.Tests.Features;

/// <summary>Exports are read back, and every number and text is compared with the index that they were made of.</summary>
public sealed class FeatureExportTests : IDisposable
{
    private static readonly ImmutableSortedDictionary<int, string> Hostile = new Dictionary<int, string>
    {
        [0] = "",
        [1] = "</script><script>alert(1)</script>",
        [2] = "\0\u0001\u001b[31m",
        [3] = "\u202e\u2028\u0085rtl",
        [4] = "\r\n\t ",
        [5] = "\"}\n{\"index\": \"0\"}",
        [6] = "𝔘\U0001F468\u200d\U0001F469",
        [7] = "\ufffd\ufeff",
    }.ToImmutableSortedDictionary();

    private readonly string folder = Directory.CreateTempSubdirectory("monosemantic-tests-").FullName;
    private readonly SparseAutoencoder sae = SparseAutoencoderTests.Random(dModel: 8, dSae: 40, k: 4);

    public FeatureExportTests()
    {
        sae.Save(Sae);
        ImmutableArray<UnitEvidence> features = [.. ScanData.Random(1, units: 40).Scan(new() { Contexts = 5 }, 64).Select(WithDirection)];
        FeatureIndexCard card = new()
        {
            Model = "../toy <b>",
            ModelSha256 = "00",
            HookPoint = "blocks.3.hook_resid_post",
            DModel = 8,
            DSae = 40,
            Corpus = "noise\n1",
            TokensTrained = 10,
            RowsScanned = 20,
            Seed = 1,
            CodeVersion = "0.1.0",
            FeatureDefinition = "a feature",
            NeuronDefinition = "a neuron",
            Provenance = [new("model", "00"), new("dictionary", SparseAutoencoder.ManifestHash(Sae))],
        };
        FeatureIndex.Write(Source, card, features, [], Hostile);
    }

    private string Sae => Path.Combine(folder, "sae");

    private string Source => Path.Combine(folder, "index");

    public void Dispose()
    {
        sae.Dispose();
        Directory.Delete(folder, recursive: true);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Neuronpedia_gets_every_number_of_the_index(bool withVectors)
    {
        FeatureExportResult result = FeatureExport.Run(Source, "neuronpedia", Path.Combine(folder, "out"), new() { Sae = withVectors ? Sae : null, SourceSet = "res-mine" });
        var index = FeatureIndex.Open(Source);
        string home = Path.Combine(folder, "out", ".._toy__b_", "3-res-mine");
        UnitEvidence[] exported = [.. index.Features.Where(unit => unit.Firings > 0)];
        Assert.NotEqual(exported.Length, index.Features.Length);
        Assert.Equal((exported.Length, index.Features.Length - exported.Length), (result.Features, result.Skipped));
        foreach (string name in new[] { "release", "model", "sourceset", "source" }) Assert.Single(File.ReadAllLines(Path.Combine(home, $"{name}.jsonl")));
        JsonElement[] features = Lines(Path.Combine(home, "features", "batch-0.jsonl.gz")), activations = Lines(Path.Combine(home, "activations", "batch-0.jsonl.gz"));
        Assert.Equal(exported.Length, features.Length);
        for (int i = 0; i < exported.Length; i++)
        {
            JsonElement row = features[i];
            UnitEvidence unit = exported[i];
            Assert.Equal((unit.Index.ToString(), "3-res-mine", ".._toy__b_"), (row.GetProperty("index").GetString(), row.GetProperty("layer").GetString(), row.GetProperty("modelId").GetString()));
            Assert.Equal(unit.Max, row.GetProperty("maxActApprox").GetDouble());
            AssertShared(index, unit, row, withVectors ? sae : null, nul: " ");
            Assert.Equal(unit.Neighbours.Where(near => near.Relation == Relation.Cosine).Select(near => (double)near.Index), Numbers(row, "topkCosSimIndices"));
            Assert.Equal(unit.Neighbours.Where(near => near.Relation == Relation.Cosine).Select(near => near.Value), Numbers(row, "topkCosSimValues"));
            JsonElement[] contexts = [.. activations.Where(activation => activation.GetProperty("index").GetString() == unit.Index.ToString())];
            AssertContexts(index, unit, contexts, ["binMin", "binMax", "binContains", "tokens", "values", "qualifyingTokenIndex"], nul: " ");
            Assert.All(contexts, context => Assert.Equal(Numbers(context, "values").Max(), Numbers(context, "values")[context.GetProperty("maxValueTokenIndex").GetInt32()]));
            Assert.All(contexts, context => Assert.Equal((Numbers(context, "values").Max(), Numbers(context, "values").Min()), (context.GetProperty("maxValue").GetDouble(), context.GetProperty("minValue").GetDouble())));
        }
        Assert.Equal(result.Activations, activations.Length);
        Assert.Equal(activations.Length, activations.Select(activation => activation.GetProperty("id").GetString()).Distinct().Count());
    }

    [Fact]
    public void SAEDashboard_gets_every_number_of_the_index()
    {
        FeatureExport.Run(Source, "saedashboard", Path.Combine(folder, "out"), new() { Sae = Sae });
        var index = FeatureIndex.Open(Source);
        UnitEvidence[] exported = [.. index.Features.Where(unit => unit.Firings > 0)];
        JsonElement whole = Parse(File.ReadAllText(Path.Combine(folder, "out", "sae_vis_data.json"))), data = whole.GetProperty("feature_data_dict"), batch = Parse(File.ReadAllText(Path.Combine(folder, "out", "batch-0.json")));
        Assert.Equal(exported.Select(unit => unit.Index.ToString()), data.EnumerateObject().Select(feature => feature.Name));
        Assert.Equal(exported.Select(unit => unit.Max), Numbers(whole.GetProperty("feature_stats"), "max"));
        Assert.Equal(exported.Select(unit => unit.Density), Numbers(whole.GetProperty("feature_stats"), "frac_nonzero"));
        Assert.Equal(index.Features.Where(unit => unit.Firings == 0).Select(unit => (double)unit.Index), Numbers(Parse(File.ReadAllText(Path.Combine(folder, "out", "skipped_indexes.json"))), "skipped_indexes"));
        for (int i = 0; i < exported.Length; i++)
        {
            (UnitEvidence unit, JsonElement row, JsonElement feature) = (exported[i], batch.GetProperty("features")[i], data.GetProperty(exported[i].Index.ToString()));
            Assert.Equal(unit.Index, row.GetProperty("feature_index").GetInt32());
            AssertShared(index, unit, row, sae, nul: "\0");
            AssertContexts(index, unit, [.. row.GetProperty("activations").EnumerateArray()], ["bin_min", "bin_max", "bin_contains", "tokens", "values", "qualifying_token_index"], nul: "\0");
            foreach (string side in new[] { "top", "bottom" })
            {
                ImmutableArray<LogitEffect> effects = side == "top" ? unit.Promoted : unit.Suppressed;
                Assert.Equal(effects.Select(effect => (double)effect.Token), Numbers(feature.GetProperty("logits_table_data"), $"{side}_token_ids"));
                Assert.Equal(effects.Select(effect => effect.Logit), Numbers(feature.GetProperty("logits_table_data"), $"{side}_logits"));
            }
            foreach ((string from, string to) in new[] { ("freq_hist", "acts"), ("logits_hist", "logits") })
            {
                foreach (string part in new[] { "heights", "values" }) Assert.Equal(Numbers(row, $"{from}_data_bar_{part}"), Numbers(feature.GetProperty($"{to}_histogram_data"), $"bar_{part}"));
            }
            JsonElement[] groups = [.. feature.GetProperty("sequence_data").GetProperty("seq_group_data").EnumerateArray()], sequences = [.. groups.SelectMany(group => group.GetProperty("seq_data").EnumerateArray())];
            ContextEvidence[] contexts = [.. unit.Contexts, .. unit.Groups.SelectMany(group => group.Contexts)];
            Assert.Equal(contexts.Length, sequences.Length);
            Assert.All(contexts.Zip(sequences), pair =>
            {
                Assert.Equal(pair.First.Tokens.Select(token => (double)token), Numbers(pair.Second, "token_ids"));
                Assert.Equal(pair.First.Activations, Numbers(pair.Second, "feat_acts").Select(value => (float)value));
                Assert.Equal((pair.First.Document, pair.First.Peak), (pair.Second.GetProperty("original_index").GetInt32(), pair.Second.GetProperty("qualifying_token_index").GetInt32()));
                foreach (string parallel in new[] { "loss_contribution", "token_logits", "top_token_ids", "bottom_logits" }) Assert.Equal(pair.First.Tokens.Length, pair.Second.GetProperty(parallel).GetArrayLength());
            });
            Assert.StartsWith("TOP ACTIVATIONS<br>MAX = ", groups[0].GetProperty("title").GetString());
            Assert.Matches(@"^INTERVAL \d+\.\d{3} - \d+\.\d{3}<br>CONTAINS \d+\.\d{3}%$", groups[1].GetProperty("title").GetString());
        }
    }

    [Fact]
    public void Every_export_gives_the_same_bytes_again_and_keeps_texts_on_their_lines()
    {
        foreach (FeatureExport export in FeatureExport.All)
        {
            string first = Path.Combine(folder, $"{export.Name}-1"), second = Path.Combine(folder, $"{export.Name}-2");
            FeatureExportResult result = FeatureExport.Run(Source, export.Name, first);
            Assert.Equal(result.Files, FeatureExport.Run(Source, export.Name, second).Files);
            foreach (string file in result.Files)
            {
                byte[] bytes = File.ReadAllBytes(Path.Combine(first, file));
                Assert.Equal(bytes, File.ReadAllBytes(Path.Combine(second, file)));
                if (!file.EndsWith(".gz", StringComparison.Ordinal)) Assert.DoesNotContain(bytes, value => value is < 0x20 and not (byte)'\n' or > 0x7e or (byte)'<');
            }
            Assert.Contains("not empty", Assert.Throws<UserErrorException>(() => FeatureExport.Run(Source, export.Name, first)).Message);
        }
    }

    [Fact]
    public void What_cannot_be_exported_is_refused_and_leaves_nothing()
    {
        string output = Path.Combine(folder, "out");
        Assert.Contains("neuronpedia", Assert.Throws<UserErrorException>(() => FeatureExport.Run(Source, "neuropedia", output)).Hint);
        Assert.Contains("--date", Assert.Throws<UserErrorException>(() => FeatureExport.Run(Source, "neuronpedia", output, new() { Date = "yesterday" })).Hint);
        Assert.Contains("density", Assert.Throws<UserErrorException>(() => FeatureExport.Run(Source, "neuronpedia", output, new() { MinDensity = double.NaN })).Message);
        using SparseAutoencoder other = SparseAutoencoder.FromWeights(sae.Config, sae.WEnc * 2, sae.BEnc, sae.WDec, sae.BDec);
        other.Save(Path.Combine(folder, "other"));
        Assert.Contains("not the dictionary", Assert.Throws<UserErrorException>(() => FeatureExport.Run(Source, "saedashboard", output, new() { Sae = Path.Combine(folder, "other") })).Message);
        Assert.Throws<UserErrorException>(() => FeatureExport.Run(folder, "neuronpedia", output));
        Assert.Empty(Directory.EnumerateFileSystemEntries(folder, "out*"));
    }

    [Fact]
    public async Task The_command_exports_and_lists()
    {
        CommandResult done = await CommandLine.RunAsync(folder, "features", "export", "--to", "neuronpedia", "index", "--out", "out", "--sae", "sae", "--model-id", "gpt2-small", "--source-set", "res-mine", "--json");
        Assert.Equal((0, "3-res-mine"), (done.ExitCode, Parse(done.Output).GetProperty("source_id").GetString()));
        Assert.True(File.Exists(Path.Combine(folder, "out", "gpt2-small", "3-res-mine", "features", "batch-0.jsonl.gz")));
        CommandResult refused = await CommandLine.RunAsync(folder, "features", "export", "--to", "neuronpedia", "index", "--out", "out");
        Assert.Equal(1, refused.ExitCode);
        Assert.Contains("not empty", refused.Error);
        Assert.Contains("saedashboard", (await CommandLine.RunAsync(folder, "list", "exports")).Output);
    }

    private static UnitEvidence WithDirection(UnitEvidence unit) => unit with
    {
        Promoted = [.. Enumerable.Range(0, 4).Select(i => new LogitEffect(i, 1.5 / (i + unit.Index + 1)))],
        Suppressed = [.. Enumerable.Range(4, 4).Select(i => new LogitEffect(i, -0.1 / (i + unit.Index)))],
        Logits = new(-0.7, 1.5, [1, 0, 4, 3]),
        Neighbours = [.. unit.Neighbours, new(Relation.Cosine, UnitKind.Feature, 3, 0.25, null), new(Relation.Correlation, UnitKind.Neuron, 5, -0.125, null)],
    };

    private static void AssertShared(FeatureIndex index, UnitEvidence unit, JsonElement row, SparseAutoencoder? sae, string nul)
    {
        string Token(LogitEffect effect) => index.TokenText(effect.Token).Replace("\0", nul, StringComparison.Ordinal);
        Assert.Equal(unit.Density, row.GetProperty("frac_nonzero").GetDouble());
        Assert.Equal(unit.Promoted.Select(Token), Texts(row, "pos_str"));
        Assert.Equal(unit.Promoted.Select(effect => effect.Logit), Numbers(row, "pos_values"));
        Assert.Equal(unit.Suppressed.Select(Token), Texts(row, "neg_str"));
        Assert.Equal(unit.Suppressed.Select(effect => effect.Logit), Numbers(row, "neg_values"));
        foreach ((string of, UnitKind kind) in new[] { ("neurons", UnitKind.Neuron), ("features", UnitKind.Feature) })
        {
            NeighbourEvidence[] near = [.. unit.Neighbours.Where(neighbour => neighbour.Relation == Relation.Correlation && neighbour.Kind == kind)];
            Assert.Equal(near.Select(neighbour => (double)neighbour.Index), Numbers(row, $"correlated_{of}_indices"));
            Assert.Equal(near.Select(neighbour => neighbour.Value), Numbers(row, $"correlated_{of}_pearson"));
        }
        double[] heights = Numbers(row, "freq_hist_data_bar_heights"), values = Numbers(row, "freq_hist_data_bar_values");
        Assert.Equal(unit.Histogram.Where(count => count > 0).Select(count => (double)count), heights.Where(count => count > 0));
        Assert.Equal((heights.Length, unit.Firings), (values.Length, (long)heights.Sum()));
        // A bar stands for the activations from half a bin below its middle to half a bin above, in the logarithm.
        double half = (unit.HistogramHigh - unit.HistogramLow) / unit.Histogram.Length / 2;
        Assert.InRange(Math.Log10(unit.Max), Math.Log10(values[^1]) - half, Math.Log10(values[^1]) + half + 1e-9);
        Assert.Equal([1, 0, 4, 3], Numbers(row, "logits_hist_data_bar_heights"));
        Assert.All(Numbers(row, "logits_hist_data_bar_values").Zip([-0.425, 0.125, 0.675, 1.225]), pair => Assert.Equal(pair.Second, pair.First, 12));
        using var scope = TorchSharp.torch.NewDisposeScope();
        float[] vector = sae is null ? [] : sae.WDec[unit.Index].data<float>().ToArray();
        if (sae is null) Assert.Empty(Numbers(row, "neuron_alignment_indices"));
        else
        {
            Assert.Equal(vector, Numbers(row, "vector").Select(value => (float)value));
            int[] largest = [.. Numbers(row, "neuron_alignment_indices").Select(i => (int)i)];
            Assert.Equal(vector.Select(Math.Abs).OrderDescending().Take(3), largest.Select(i => Math.Abs(vector[i])));
            Assert.Equal(largest.Select(i => vector[i]), Numbers(row, "neuron_alignment_values").Select(value => (float)value));
            Assert.All(largest.Zip(Numbers(row, "neuron_alignment_l1")), pair => Assert.Equal(Math.Abs(vector[pair.First]) / vector.Sum(value => (double)Math.Abs(value)), pair.Second, 12));
        }
    }

    private static void AssertContexts(FeatureIndex index, UnitEvidence unit, JsonElement[] rows, string[] keys, string nul)
    {
        (double Low, double High, double Contains, ContextEvidence Context)[] expected =
        [
            .. unit.Contexts.Select(context => (-1.0, unit.Max, -1.0, context)),
            .. unit.Groups.SelectMany(group => group.Contexts.Select(context => (group.Low, group.High, group.Share * unit.Density, context))),
        ];
        Assert.Equal(expected.Length, rows.Length);
        Assert.All(expected.Zip(rows), pair =>
        {
            (double low, double high, double contains, ContextEvidence context) = pair.First;
            Assert.Equal((low, high, contains), (pair.Second.GetProperty(keys[0]).GetDouble(), pair.Second.GetProperty(keys[1]).GetDouble(), pair.Second.GetProperty(keys[2]).GetDouble()));
            Assert.Equal(context.Tokens.Select(token => index.TokenText(token).Replace("\0", nul, StringComparison.Ordinal)), Texts(pair.Second, keys[3]));
            Assert.Equal(context.Activations, Numbers(pair.Second, keys[4]).Select(value => (float)value));
            Assert.Equal(context.Peak, pair.Second.GetProperty(keys[5]).GetInt32());
        });
    }

    private static JsonElement[] Lines(string path)
    {
        using var packed = new GZipStream(File.OpenRead(path), CompressionMode.Decompress);
        using var reader = new StreamReader(packed);
        string text = reader.ReadToEnd();
        Assert.EndsWith("\n", text);
        Assert.DoesNotContain(text, letter => letter is < ' ' and not '\n' or > '~');
        return [.. text.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(Parse)];
    }

    private static JsonElement Parse(string text) => JsonSerializer.Deserialize<JsonElement>(text);

    private static double[] Numbers(JsonElement row, string key) => [.. row.GetProperty(key).EnumerateArray().Select(value => value.GetDouble())];

    private static string[] Texts(JsonElement row, string key) => [.. row.GetProperty(key).EnumerateArray().Select(value => value.GetString()!)];
}
