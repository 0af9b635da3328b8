using System.IO.Compression;
using System.Text.Json;
using System.Text.RegularExpressions;
using Monosemantic.Features;
using Monosemantic.Reports;
using Monosemantic.Reports.Panels;
using Monosemantic.Runtime;

namespace Monosemantic.Tests.Reports;

public sealed class HtmlReportTests
{
    public static TheoryData<string> PanelIds => [.. ReportPanels.All.Select(p => p.Id)];

    [Theory]
    [MemberData(nameof(PanelIds))]
    public void Panel_draws_the_same_from_its_data_read_back_from_json(string id)
    {
        Panel panel = ReportPanels.All.Single(p => p.Id == id);
        object content = panel.BuildContent(SyntheticReport.Make(60, 20))!;
        string json = JsonSerializer.Serialize(content, panel.ContentType, JsonFile.Options);
        object back = JsonSerializer.Deserialize(json, panel.ContentType, JsonFile.Options)!;
        Assert.Equal(panel.RenderContent(content).ToString(), panel.RenderContent(back).ToString());
    }

    [Theory]
    [MemberData(nameof(PanelIds))]
    public void Panel_lets_no_hostile_text_out_as_markup(string id)
    {
        Panel panel = ReportPanels.All.Single(p => p.Id == id);
        string html = panel.RenderContent(panel.BuildContent(HostileEverywhere())!).ToString();
        Assert.DoesNotContain("window.pwned=1>", html, StringComparison.Ordinal);
        Assert.DoesNotContain("<img", html, StringComparison.Ordinal);
        Assert.DoesNotContain("<script>", html, StringComparison.Ordinal);
        Assert.DoesNotMatch("[\u2028\u2029\u202E\u200B\u200F\0\u001B\u0085\uFEFF]", html);
    }

    [Fact]
    public void Panel_ids_are_all_different() => Assert.Equal(ReportPanels.All.Length, ReportPanels.All.Select(p => p.Id).Distinct().Count());

    [Fact]
    public void Same_data_give_the_same_bytes_and_line_feeds_only()
    {
        string first = HtmlReport.Render(SyntheticReport.Make(80, 20));
        Assert.Equal(first, HtmlReport.Render(SyntheticReport.Make(80, 20)));
        Assert.DoesNotContain('\r', first);
    }

    [Fact]
    public void Data_read_back_from_json_give_the_same_bytes()
    {
        ReportData data = SyntheticReport.Make(80, 20);
        ReportData back = JsonFile.Parse<ReportData>(System.Text.Encoding.UTF8.GetBytes(JsonFile.ToText(data)), "report.json");
        Assert.Equal(HtmlReport.Render(data), HtmlReport.Render(back));
    }

    [Fact]
    public void Policy_forbids_everything_but_the_hashes_of_what_is_inside()
    {
        string html = HtmlReport.Render(SyntheticReport.Make(5, 2));
        Assert.Contains("content=\"default-src 'none'; script-src 'sha256-", html, StringComparison.Ordinal);
        string policy = html.Split("Content-Security-Policy\" content=\"")[1].Split('"')[0];
        // Styles of what is drawn are all that is not hashed; scripts are the page's own and plotly.js.
        Assert.Equal("style-src-attr 'unsafe-inline'", Assert.Single(policy.Split(';', StringSplitOptions.TrimEntries), part => part.Contains("unsafe", StringComparison.Ordinal)));
        Assert.Equal($"script-src '{PageFile.Script.Hash}' '{PageFile.Plotly.Hash}'", policy.Split(';', StringSplitOptions.TrimEntries).Single(part => part.StartsWith("script-src", StringComparison.Ordinal)));
        Assert.DoesNotContain("http://", html.Replace("http://www.w3.org/2000/svg", "", StringComparison.Ordinal), StringComparison.Ordinal);
        Assert.DoesNotContain("https://", html, StringComparison.Ordinal);
        Assert.DoesNotContain("style=\"", html, StringComparison.Ordinal);
        Assert.DoesNotContain("</script", PageFile.Script.Text, StringComparison.OrdinalIgnoreCase);
    }

    [Fact]
    public void List_holds_the_numbers_of_the_data_to_four_digits()
    {
        ReportData data = SyntheticReport.Make(100, 30);
        UnitListContent content = JsonSerializer.Deserialize<UnitListContent>(Block(HtmlReport.Render(data), "units"), Markup.Json)!;
        Assert.Equal(data.Features.Select(f => f.Index), content.Features.Index);
        Assert.Equal(data.Neurons.Select(f => f.Firings), content.Neurons.Firings);
        Assert.All(data.Features.Zip(content.Features.Density), pair => Close(pair.First.Density, pair.Second));
        Assert.All(data.Features.Zip(content.Features.Max), pair => Close(pair.First.Max, pair.Second));
        Assert.All(data.Features.Zip(content.Features.Mean), pair => Close(pair.First.Mean, pair.Second));
        Assert.All(data.Features.Zip(content.Features.Entropy), pair => Close(pair.First.TokenEntropy, pair.Second));
    }

    [Fact]
    public void Pages_hold_every_context_to_a_thousandth_of_the_largest_activation()
    {
        ReportData data = SyntheticReport.Make(100, 30);
        string html = HtmlReport.Render(data);
        string[] lines = PageLines(html, "feature-pages");
        Assert.Equal(data.Features.Length, lines.Length);
        using var texts = new BinaryReader(new MemoryStream(Unpacked(html, "feature-texts-0")!));
        int[] Run() => [.. Enumerable.Range(0, texts.Read7BitEncodedInt()).Select(_ => texts.Read7BitEncodedInt())];
        foreach ((UnitEvidence unit, string line) in data.Features.Zip(lines))
        {
            UnitPage page = JsonSerializer.Deserialize<UnitPage>(line, Markup.Json)!;
            Assert.Equal(unit.Tokens.Select(t => t.Count), page.Tokens.Count);
            Assert.Equal(unit.Tokens.Select(t => t.Token), Run());
            Assert.Equal(unit.Contexts.Length, texts.Read7BitEncodedInt());
            foreach (ContextEvidence context in unit.Contexts) Assert.Equal(context.Tokens, Run());
            Assert.Equal(unit.Histogram, page.Histogram);
            Assert.All(unit.Promoted.Zip(page.Promoted.Logit), pair => Close(pair.First.Logit, pair.Second));
            Assert.Equal(unit.Neighbours.Select(near => near.Index), page.Neighbours.SelectMany(near => near.Index));
            Assert.Equal(unit.Contexts.Length + unit.Groups.Sum(group => group.Contexts.Length), page.Contexts.Length + page.Groups.Sum(group => group.Contexts.Length));
            foreach ((ContextEvidence context, ContextLine shown) in unit.Contexts.Concat(unit.Groups.SelectMany(group => group.Contexts)).Zip(page.Contexts.Concat(page.Groups.SelectMany(group => group.Contexts))))
            {
                if (page.Groups.Any(group => group.Contexts.Contains(shown))) Assert.Equal(context.Tokens, shown.Tokens);
                double[] decoded = Decode(shown, context.Tokens.Length, page.Scale);
                Assert.All(context.Activations.Zip(decoded), pair => Assert.InRange(Math.Abs(pair.First - pair.Second), 0, page.Scale * 0.0011));
                Assert.Equal(context.Activations.Select(a => a > 0), decoded.Select(a => a > 0));
            }
        }
    }

    [Fact]
    public void Vocabulary_holds_what_is_used_and_nothing_else()
    {
        ReportData data = SyntheticReport.Make(3, 0);
        data = data with { Vocabulary = data.Vocabulary.Add(9999, "unused").Remove(data.Features[0].Tokens[0].Token) };
        UnitListContent content = new UnitListPanel().Build(data);
        Assert.DoesNotContain(9999, content.Vocabulary.Keys);
        Assert.Equal($"⟨token {data.Features[0].Tokens[0].Token}⟩", content.Vocabulary[data.Features[0].Tokens[0].Token]);
    }

    [Fact]
    public void Metrics_show_the_evaluation_and_name_their_formulas()
    {
        string html = HtmlReport.Render(SyntheticReport.Make(5, 2));
        foreach (string shown in new[] { ">0.1235<", ">15.88<", ">6.25 %<", ">2.313<", ">2.438<", ">7.313<", ">97.5 %<", "(zero-ablated − spliced) / (zero-ablated − original)", "98,765 tokens (held out)" })
            Assert.Contains(shown, html, StringComparison.Ordinal);
    }

    [Fact]
    public void Metrics_show_their_intervals_and_the_baselines_stand_beside_them()
    {
        ReportData data = SyntheticReport.Make(5, 2);
        MetricsContent metrics = new MetricsPanel().Build(data)!;
        Assert.Equal("0.1111 to 0.1357", metrics.Rows.Single(row => row.Name == "FVU").Interval);
        Assert.Equal("nothing to divide by", metrics.All.Single(row => row.Name == "undefined_one").Definition);
        BaselinesContent beside = new BaselinesPanel().Build(data)!;
        string[] verdicts = ["\u2013", "yes", "no: at least as good as the dictionary"];
        Assert.Equal(verdicts, beside.Rows.Select(row => row.Verdict));
        Assert.Equal("0.4567 (0.4467 to 0.4667)", beside.Rows[1].Fvu);
        Assert.Null(new BaselinesPanel().Build(data with { Run = data.Run with { Evaluation = data.Run.Evaluation! with { Baselines = [] } } }));
    }

    [Fact]
    public void Entropy_comparison_leaves_out_and_counts_what_never_fires()
    {
        ReportData data = SyntheticReport.Make(100, 45);
        NeuronsAgainstFeaturesContent content = new NeuronsAgainstFeaturesPanel().Build(data)!;
        double[] bits = [.. data.Features.Select(f => f.TokenEntropy).OfType<double>().Order()];
        Assert.Equal(data.Features.Count(f => f.Firings == 0), content.Features.Never);
        Assert.Equal(1, content.Neurons!.Never);
        Assert.Equal(bits.Length, content.Features.Entropy.Counts.Sum());
        Assert.Equal((bits[(bits.Length - 1) / 2] + bits[bits.Length / 2]) / 2, content.Features.Quartiles!.Median, 12);
    }

    [Fact]
    public void Other_scores_are_compared_where_any_unit_has_them()
    {
        ReportData data = SyntheticReport.Make(100, 45);
        double[] purities = [.. data.Features.Select(unit => unit.Purity).OfType<double>().Order()];
        NeuronsAgainstFeaturesContent content = new NeuronsAgainstFeaturesPanel().Build(data)!;
        Assert.Equal(["Purity", "Consistency", "Predicted by token", "By token and two before", "Loss without it"], content.Scores.Select(score => score.Name));
        Assert.Equal((purities[(purities.Length - 1) / 2] + purities[purities.Length / 2]) / 2, content.Scores[0].Features!.Median, 12);
        Assert.Contains($"<td class=\"number\">{Numbers.Short(Numbers.Rounded(content.Scores[0].Features!.Median, 3))}<br>", new NeuronsAgainstFeaturesPanel().Render(content).ToString(), StringComparison.Ordinal);
        data = data with { Neurons = [], Features = [.. data.Features.Select(unit => unit with { DecileConsistency = null, TokenPredictability = null, ContextPredictability = null, Contexts = [] })] };
        content = new NeuronsAgainstFeaturesPanel().Build(data)!;
        Assert.Equal("Purity", Assert.Single(content.Scores).Name);
        Assert.Null(content.Scores[0].Neurons);
    }

    [Fact]
    public void Examples_stand_at_their_ranks_of_token_entropy_and_firing_rarely_counts_out()
    {
        ReportData data = SyntheticReport.Make(200, 60);
        ExamplesContent content = new ExamplesPanel().Build(data)!;
        UnitEvidence[] eligible = [.. data.Features.Where(f => f.Firings >= 50)];
        foreach (Example example in content.Features)
        {
            UnitEvidence unit = data.Features.Single(f => f.Index == example.Index);
            double below = eligible.Count(f => f.TokenEntropy < unit.TokenEntropy) / (double)(eligible.Length - 1);
            Assert.InRange(below * 100, example.Rank - 1, example.Rank);
            Assert.True(unit.Firings >= 50);
        }
        Assert.Equal(5, content.Neurons.Length);
    }

    [Fact]
    public void Density_histogram_counts_every_feature_that_fires_in_its_decade()
    {
        ReportData data = SyntheticReport.Make(200, 0);
        DensityContent content = new DensityPanel().Build(data)!;
        int perDecade = content.Density.Counts.Length / (int)-content.Density.Low;
        for (int decade = 0; decade < -content.Density.Low; decade++)
        {
            double low = Math.Pow(10, content.Density.Low + decade), high = low * 10;
            long expected = data.Features.Count(f => f.Density >= low && f.Density < high && f.Firings > 0);
            Assert.Equal(expected, content.Density.Counts.Skip(decade * perDecade).Take(perDecade).Sum());
        }
    }

    [Fact]
    public void Report_without_neurons_evaluation_or_firing_features_still_renders()
    {
        ReportData data = SyntheticReport.Make(41, 0);
        data = data with { Run = data.Run with { Evaluation = null, LanguageModel = [] }, Features = [data.Features[40]] };
        string html = HtmlReport.Render(data);
        Assert.DoesNotContain("id=\"metrics\"", html, StringComparison.Ordinal);
        Assert.DoesNotContain("tab-neurons\" href", html, StringComparison.Ordinal);
        Assert.Contains("1 never do", html, StringComparison.Ordinal);
        Assert.DoesNotContain("NaN", Regex.Replace(html, "(?s)<script type=\"module\".*", ""), StringComparison.Ordinal);
    }

    [Fact]
    public void Numbers_that_are_not_finite_become_dashes()
    {
        ReportData data = SyntheticReport.Make(2, 0);
        UnitEvidence odd = data.Features[0] with { Mean = double.NaN, Max = double.PositiveInfinity, TokenEntropy = double.NaN };
        UnitListContent content = new UnitListPanel().Build(data with { Features = [odd] });
        Assert.Null(content.Features.Mean[0]);
        Assert.Null(content.Features.Max[0]);
        Assert.Contains("\"mean\":[null]", HtmlReport.Render(data with { Features = [odd] }), StringComparison.Ordinal);
        Assert.DoesNotContain("NaN", string.Concat(PageLines(HtmlReport.Render(data with { Features = [odd] }), "feature-pages")), StringComparison.Ordinal);
    }

    [Fact]
    public void Evidence_that_contradicts_itself_is_refused_by_name()
    {
        ReportData data = SyntheticReport.Make(2, 1);
        ContextEvidence cut = data.Features[1].Contexts[0] with { Activations = [1f] };
        UnitEvidence broken = data.Features[1] with { Contexts = [cut] };
        var failure = Assert.Throws<UserErrorException>(() => HtmlReport.Render(data with { Features = [data.Features[0], broken, data.Neurons[0], data.Features[0]] }));
        Assert.Contains("feature 1 has a context of 25 tokens, 1 activations", failure.Message, StringComparison.Ordinal);
        Assert.Contains("neuron 0 stands among the features", failure.Message, StringComparison.Ordinal);
        Assert.Contains("feature 0 is there twice", failure.Message, StringComparison.Ordinal);
    }

    private static ReportData HostileEverywhere()
    {
        string all = string.Concat(SyntheticReport.Hostile);
        ReportData data = SyntheticReport.Make(60, 20);
        NamedValue nasty = new(all, all);
        return data with
        {
            Title = all,
            Run = data.Run with
            {
                Model = all,
                Corpus = all,
                HookPoint = all,
                CodeVersion = all,
                Provenance = [nasty],
                NeuronDefinition = all,
                LanguageModel = [nasty],
                Evaluation = data.Run.Evaluation! with { Split = all },
            },
        };
    }

    private static string Block(string html, string id)
    {
        string open = $"<script type=\"application/json\" id=\"{id}\">";
        int start = html.IndexOf(open, StringComparison.Ordinal) + open.Length;
        return html[start..html.IndexOf("</script>", start, StringComparison.Ordinal)];
    }

    // The lines of all packed blocks.
    private static string[] PageLines(string html, string id) =>
        [.. Enumerable.Range(0, int.MaxValue).Select(block => Unpacked(html, $"{id}-{block}")).TakeWhile(bytes => bytes is not null).SelectMany(bytes => System.Text.Encoding.UTF8.GetString(bytes!).TrimEnd('\n').Split('\n'))];

    // A packed block, unpacked the way the page's script does it; null if there is none of that name.
    private static byte[]? Unpacked(string html, string id)
    {
        string open = $"<script type=\"application/octet-stream\" id=\"{id}\">";
        int start = html.IndexOf(open, StringComparison.Ordinal);
        if (start < 0) return null;
        start += open.Length;
        using var deflate = new DeflateStream(new MemoryStream(Convert.FromBase64String(html[start..html.IndexOf("</script>", start, StringComparison.Ordinal)])), CompressionMode.Decompress);
        using var bytes = new MemoryStream();
        deflate.CopyTo(bytes);
        return bytes.ToArray();
    }

    private static double[] Decode(ContextLine line, int tokens, double scale)
    {
        double[] all = new double[tokens];
        for (int i = 0, at = -1; i < line.Levels.Length; i += 2)
        {
            at += line.Levels[i] + 1;
            all[at] = line.Levels[i + 1] * scale / 1000;
        }
        return all;
    }

    private static void Close(double? expected, double? shown)
    {
        Assert.Equal(expected is null, shown is null);
        if (expected is { } e) Assert.InRange(Math.Abs(e - shown!.Value), 0, Math.Abs(e) * 0.0005);
    }
}
