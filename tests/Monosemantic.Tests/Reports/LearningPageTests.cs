using System.Collections.Immutable;
using System.Text.RegularExpressions;
using Microsoft.Playwright;
using Monosemantic.Models;
using Monosemantic.Reports;
using Monosemantic.Reports.Learning;
using Monosemantic.Runtime;
using Monosemantic.Training;

namespace Monosemantic.Tests.Reports;

public sealed class LearningPageTests
{
    [Fact]
    public void The_page_shows_every_snapshot_with_its_lines_and_a_map_for_each_layer()
    {
        LineLearningRecord record = Made(0, 1, 10, 50_000);
        string html = LearningPage.Render(record);
        foreach (string name in new[] { "Untrained", "After 1 iteration", "After 10 iterations", "After 50,000 iterations" }) Assert.Contains($"<h3>{name}</h3>", html, StringComparison.Ordinal);
        Assert.All(record.Snapshots.SelectMany(snapshot => snapshot.Lines.Concat(snapshot.Drawn)), line => Assert.Contains($">{line}</span>", html, StringComparison.Ordinal));
        Assert.Equal(8, Regex.Count(html, "<figure class=\"map\""));
        Assert.Contains("<h3>Layer 0</h3>", html, StringComparison.Ordinal);
        Assert.Contains("<h3>Layer 1</h3>", html, StringComparison.Ordinal);
    }

    [Fact]
    public void All_maps_share_one_colour_scale_that_ends_at_the_strongest_activation()
    {
        LineLearningRecord record = Made(0, 10);
        string html = LearningPage.Render(record);
        float top = record.Snapshots.SelectMany(snapshot => snapshot.Maps).SelectMany(map => map.Activations).SelectMany(row => row).Max();
        Assert.Equal(1, Regex.Count(html, "class=\"heat\""));
        Assert.Equal(1, Regex.Count(html, "\"top\":"));
        MapScale scale = System.Text.Json.JsonSerializer.Deserialize<MapScale>(Block(html, "scale"), Markup.Json)!;
        Assert.Equal(top, scale.Top);
        Assert.Equal(["t", "o", " ", "b", "e"], scale.Characters);
        Assert.Contains($"{Numbers.Short(top)}, the strongest shown", html, StringComparison.Ordinal);
    }

    [Fact]
    public void The_maps_hold_every_activation_exactly()
    {
        LineLearningRecord record = Made(0, 10);
        MapData[] maps = [.. Block(LearningPage.Render(record), "maps").Split('\n').Select(line => System.Text.Json.JsonSerializer.Deserialize<MapData>(line, Markup.Json)!)];
        Assert.Equal(4, maps.Length);
        foreach (MapData map in maps)
        {
            NeuronMap expected = record.Snapshots.Single(snapshot => snapshot.Iteration == map.Iteration).Maps.Single(other => other.Layer == map.Layer);
            Assert.Equal(expected.Activations.SelectMany(row => row), map.Rows.SelectMany(row => row));
        }
    }

    [Fact]
    public void The_curve_has_every_loss_and_marks_the_snapshots()
    {
        LineLearningRecord record = Made(0, 2, 5);
        string html = LearningPage.Render(record);
        Assert.Equal(6, Regex.Count(html, "<circle "));
        Assert.Equal(3, Regex.Count(html, "<circle class=\"point snapshot\""));
        foreach (IterationLoss loss in record.Losses) Assert.Contains($"<title>iteration {loss.Iteration}: {loss.Loss:R} nats per character</title>", html, StringComparison.Ordinal);
        Assert.Contains($"<title>untrained: {record.UntrainedLoss:R} nats per character</title>", html, StringComparison.Ordinal);
        Assert.Equal(6, Regex.Match(html, "<polyline class=\"loss\" points=\"([^\"]*)\"").Groups[1].Value.Split(' ').Length);
    }

    [Fact]
    public void A_long_curve_is_drawn_whole_but_with_few_points()
    {
        string html = LearningPage.Render(Made(7, 5000));
        Assert.InRange(Regex.Count(html, "<circle "), 200, 300);
        Assert.Equal(2, Regex.Count(html, "<circle class=\"point snapshot\""));
        Assert.Equal(5001, Regex.Match(html, "<polyline class=\"loss\" points=\"([^\"]*)\"").Groups[1].Value.Split(' ').Length);
    }

    [Fact]
    public void The_page_names_no_address_and_its_policy_forbids_everything_beyond_it()
    {
        string html = LearningPage.Render(Made(0, 10));
        Assert.DoesNotContain("http:", html, StringComparison.OrdinalIgnoreCase);
        Assert.DoesNotContain("https:", html, StringComparison.OrdinalIgnoreCase);
        Assert.DoesNotContain(" src=", html, StringComparison.Ordinal);
        Assert.DoesNotContain(" style=\"", html, StringComparison.Ordinal);
        Assert.Contains("content=\"default-src 'none'; script-src 'sha256-", html, StringComparison.Ordinal);
        Assert.DoesNotContain("</script", PageFile.LearningScript.Text, StringComparison.OrdinalIgnoreCase);
    }

    [Fact]
    public void The_same_record_gives_the_same_bytes_even_read_back_from_json()
    {
        LineLearningRecord record = Made(0, 10);
        string json = JsonFile.ToText(record), html = LearningPage.Render(record);
        Assert.Equal(html, LearningPage.Render(record));
        LineLearningRecord back = JsonFile.Parse<LineLearningRecord>(System.Text.Encoding.UTF8.GetBytes(json), "snapshots.json");
        Assert.Equal(json, JsonFile.ToText(back));
        Assert.Equal(html, LearningPage.Render(back));
        Assert.DoesNotContain('\r', html);
    }

    [Fact]
    public void Hostile_text_comes_out_as_text()
    {
        string html = LearningPage.Render(Hostile());
        Assert.DoesNotContain("window.pwned=1>", html, StringComparison.Ordinal);
        Assert.DoesNotContain("<img", html, StringComparison.Ordinal);
        Assert.DoesNotContain("<script>", html, StringComparison.Ordinal);
        Assert.DoesNotMatch("[\u2028\u2029\u202E\u200B\u200F\0\u001B\u0085\uFEFF]", html);
    }

    [Fact]
    public void A_run_without_an_iteration_still_has_a_page()
    {
        string html = LearningPage.Render(Made(0));
        Assert.Equal(1, Regex.Count(html, "<circle "));
        Assert.DoesNotContain("NaN", html, StringComparison.Ordinal);
        Assert.DoesNotContain("After", Regex.Replace(html, "(?s)<style>.*?</style>|<script.*", ""), StringComparison.Ordinal);
    }

    [Fact]
    public void Silent_neurons_still_have_a_scale()
    {
        LineLearningRecord record = Made(0);
        NeuronMap silent = new(0, [.. Enumerable.Repeat<ImmutableArray<float>>([.. new float[6]], 5)]);
        Assert.Contains("0, the strongest shown", LearningPage.Render(record with { Snapshots = [record.Snapshots[0] with { Maps = [silent] }] }), StringComparison.Ordinal);
    }

    [Fact]
    public void Maps_that_do_not_fit_the_prompt_are_refused()
    {
        LineLearningRecord record = Made(0);
        UserErrorException error = Assert.Throws<UserErrorException>(() => LearningPage.Render(record with { Config = record.Config with { Prompt = "to" } }));
        Assert.Contains("are not 2 rows of 6", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    [Trait("kind", "slow")]
    public async Task Browser_draws_the_legends_colours_and_reads_exact_values_by_pointer_and_keys()
    {
        await using Browser browser = await Browser.LaunchAsync();
        LineLearningRecord record = Made(0, 10, 50);
        string path = Path.Combine(Directory.CreateTempSubdirectory("monosemantic-tests-").FullName, "index.html");
        LearningPage.Write(path, record);
        await browser.OpenAsync(path);
        await browser.PictureAsync("learning");
        Assert.Equal(new Uri(path).AbsoluteUri, Assert.Single(browser.Requests));
        Assert.Equal(6, await browser.EvaluateAsync<int>("document.querySelectorAll('canvas').length"));

        // The strongest activation has the ramp's last colour and silence its first, in whichever map they stand.
        (int snapshot, int layer, int token, int neuron) = Extreme(record);
        Assert.Equal(await Colour(browser, "--ramp-4"), await Pixel(browser, layer * 3 + snapshot, token, neuron));
        Assert.Equal(await Colour(browser, "--ramp-0"), await Pixel(browser, 0, 0, 0));

        string Value(int at) => record.Snapshots[at].Maps[1].Activations[3][2].ToString("R", System.Globalization.CultureInfo.InvariantCulture);
        ILocator map = browser.Page.Locator("canvas").Nth(4);
        LocatorBoundingBoxResult box = (await map.BoundingBoxAsync())!;
        await map.HoverAsync(new() { Position = new() { X = box.Width * 3.5f / 5, Y = box.Height * 2.5f / 6 } });
        string read = (await browser.Page.TextContentAsync("#readout"))!;
        Assert.Equal($"‘b’, position 3, layer 1, neuron 2\n  untrained: {Value(0)}\n▸ after 10 iterations: {Value(1)}\n  after 50 iterations: {Value(2)}", read);

        await browser.Page.Mouse.MoveAsync(1, 1);
        Assert.False(await browser.Page.IsVisibleAsync("#readout"));
        await browser.Page.Keyboard.PressAsync("Tab");
        await browser.Page.Locator("canvas").Nth(3).FocusAsync();
        foreach (string key in new[] { "End", "ArrowLeft", "ArrowDown", "ArrowDown", "ArrowRight", "ArrowRight", "ArrowLeft" }) await browser.Page.Keyboard.PressAsync(key);
        Assert.Equal(read.Replace("▸ after", "  after").Replace("  untrained", "▸ untrained"), await browser.Page.TextContentAsync("#readout"));
        Assert.Empty(browser.Errors);
        Directory.Delete(Path.GetDirectoryName(path)!, recursive: true);
    }

    [Fact]
    [Trait("kind", "slow")]
    public async Task Browser_runs_nothing_of_a_hostile_text()
    {
        await using Browser browser = await Browser.LaunchAsync();
        string path = Path.Combine(Directory.CreateTempSubdirectory("monosemantic-tests-").FullName, "index.html");
        LearningPage.Write(path, Hostile());
        await browser.OpenAsync(path);
        Assert.Equal("undefined", await browser.EvaluateAsync<string>("typeof window.pwned"));
        Assert.Empty(browser.Errors);
        Directory.Delete(Path.GetDirectoryName(path)!, recursive: true);
    }

    private static (int Snapshot, int Layer, int Token, int Neuron) Extreme(LineLearningRecord record) => (
        from snapshot in Enumerable.Range(0, record.Snapshots.Length)
        from layer in Enumerable.Range(0, 2)
        from token in Enumerable.Range(0, 5)
        from neuron in Enumerable.Range(0, 6)
        select (snapshot, layer, token, neuron)).MaxBy(at => record.Snapshots[at.snapshot].Maps[at.layer].Activations[at.token][at.neuron]);

    private static async Task<string> Colour(Browser browser, string variable)
    {
        string hex = await browser.EvaluateAsync<string>($"getComputedStyle(document.documentElement).getPropertyValue('{variable}').trim()");
        return string.Join(",", new[] { 1, 3, 5 }.Select(at => Convert.ToInt32(hex.Substring(at, 2), 16)));
    }

    private static Task<string> Pixel(Browser browser, int map, int token, int neuron) =>
        browser.EvaluateAsync<string>($"[...document.querySelectorAll('canvas')[{map}].getContext('2d').getImageData({token}, {neuron}, 1, 1).data].slice(0, 3).join(',')");

    private static LineLearningRecord Hostile()
    {
        string all = string.Concat(SyntheticReport.Hostile);
        LineLearningRecord record = Made(0, 3);
        int length = all.EnumerateRunes().Count();
        NeuronMap map = new(0, [.. Enumerable.Range(0, length).Select(i => ImmutableArray.Create(0f, i, 1, 2, 3, 4))]);
        return record with
        {
            Text = all,
            CodeVersion = all,
            TextSha256 = all,
            Vocabulary = SimpleTransformerVocabulary.Of(all).Text,
            Config = record.Config with { Prompt = all, Text = all },
            Snapshots = [new(3, [all], [all], [map])],
        };
    }

    // Made-up activations, some silent; those of the first character's first neuron all are.
    private static LineLearningRecord Made(params int[] snapshots)
    {
        var random = new SeededRandom(8);
        float Activation(int token, int neuron) => token == 0 && neuron == 0 ? 0 : (float)Math.Max(0, random.NextNormal());
        NeuronMap Map(int layer) => new(layer, [.. Enumerable.Range(0, 5).Select(token => Enumerable.Range(0, 6).Select(neuron => Activation(token, neuron)).ToImmutableArray())]);
        return new()
        {
            CodeVersion = "0.1.0",
            Text = "verse.txt",
            TextSha256 = new string('b', 64),
            Pairs = 20,
            Targets = 400,
            Vocabulary = " beot",
            Parameters = 1234,
            Config = new() { Prompt = "to be", Text = "verse.txt", Snapshots = snapshots, FeedForward = 6 },
            UniformLoss = Math.Log(5),
            FrequencyLoss = 1.4,
            UntrainedLoss = 1.75,
            Losses = [.. Enumerable.Range(1, snapshots.Max()).Select(i => new IterationLoss(i, 0.3 + 1.3 / (1 + 0.1 * i)))],
            Snapshots = [.. snapshots.Select(iteration => new LineLearningSnapshot(iteration, [$"be{iteration}x", "to to"], [$"tb{iteration}y", "oooo"], [Map(0), Map(1)]))],
        };
    }

    private static string Block(string html, string id)
    {
        string open = $"<script type=\"application/json\" id=\"{id}\">";
        int start = html.IndexOf(open, StringComparison.Ordinal) + open.Length;
        return html[start..html.IndexOf("</script>", start, StringComparison.Ordinal)];
    }
}
