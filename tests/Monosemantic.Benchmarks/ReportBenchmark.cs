using System.Globalization;
using System.Text.RegularExpressions;
using Microsoft.Playwright;
using Monosemantic.Features;
using Monosemantic.Reports;
using Monosemantic.Runtime;

namespace Monosemantic.Benchmarks;

/// <summary>What a report costs its reader, in Chromium on this machine; times are medians in milliseconds.</summary>
internal sealed record ReportCost
{
    /// <summary>What it is of.</summary>
    public required string Name { get; init; }

    /// <summary>Features in it.</summary>
    public int Features { get; init; }

    /// <summary>Neurons in it.</summary>
    public int Neurons { get; init; }

    /// <summary>Bytes of the file, or of the page and its folder.</summary>
    public long Bytes { get; init; }

    /// <summary>Bytes of the packed pages as they stand in the file, per feature and neuron.</summary>
    public double PageBytesPerUnit { get; init; }

    /// <summary>Bytes of the whole file but plotly.js, per feature and neuron.</summary>
    public double BytesPerUnitWithoutPlotly { get; init; }

    /// <summary>From the start of the navigation until the list is drawn, its search box answering.</summary>
    public double LoadMilliseconds { get; init; }

    /// <summary>From a letter typed to the rows that match it drawn, once all is read.</summary>
    public double SearchMilliseconds { get; init; }

    /// <summary>From the start until a search looks through every context.</summary>
    public double WholeMilliseconds { get; init; }

    /// <summary>From the change of the address until a feature's page is drawn and laid out, its block not yet unpacked.</summary>
    public double PageMilliseconds { get; init; }
}

/// <summary>Measures reports.</summary>
internal static partial class ReportBenchmark
{
    private const int Rounds = 5, PagesOpened = 15;

    internal static int Run(string[] options)
    {
        int json = Array.IndexOf(options, "--json");
        if (json >= 0 && json == options.Length - 1) throw new UserErrorException("--json has no file name", "write --json FILE");
        string folder = Directory.CreateTempSubdirectory("monosemantic-benchmark-").FullName;
        try
        {
            List<ReportCost> costs = [];
            string large = Path.Combine(folder, "large"), real = Path.Combine(folder, "real");
            LargeIndex.Write(large, 16_384);
            costs.Add(Measure("16k made-up features", large, folder).GetAwaiter().GetResult());
            (string store, string sae) = SampleDictionary.Make(folder, 120_000);
            ScanRun.Execute(new ScanConfig { Sae = sae, Activations = store, Model = SampleModelFolder.Find() }, real, null);
            costs.Add(Measure("sample model", real, folder).GetAwaiter().GetResult());
            if (json >= 0) JsonFile.Write(options[json + 1], costs);
            return 0;
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static async Task<ReportCost> Measure(string name, string index, string folder)
    {
        string path = Path.Combine(folder, "report.html");
        ReportData data = ReportSource.From(FeatureIndex.Open(index));
        string? pages = HtmlReport.Write(path, data);
        string html = await File.ReadAllTextAsync(path);
        int units = data.Features.Length + data.Neurons.Length;
        long bytes = new FileInfo(path).Length + (pages is null ? 0 : new DirectoryInfo(pages).EnumerateFiles().Sum(file => file.Length));
        long plotly = Block().Matches(html).Where(block => block.Groups[1].Value.StartsWith("plotly", StringComparison.Ordinal)).Sum(block => (long)block.Length);
        long packed = Block().Matches(html).Where(block => block.Groups[1].Value.Contains("-pages-", StringComparison.Ordinal)).Sum(block => (long)block.Length);
        var cost = new ReportCost { Name = name, Features = data.Features.Length, Neurons = data.Neurons.Length, Bytes = bytes, PageBytesPerUnit = (double)packed / units, BytesPerUnitWithoutPlotly = (double)(bytes - plotly) / units };
        cost = await InBrowser(cost, new Uri(path).AbsoluteUri);
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{name}: {cost.Features:N0} features, {bytes / 1e6:F1} MB, {cost.PageBytesPerUnit:N0} bytes per unit packed, {cost.BytesPerUnitWithoutPlotly:N0} with everything but plotly.js ({plotly / 1e6:F1} MB); load {cost.LoadMilliseconds:F0} ms, search {cost.SearchMilliseconds:F0} ms, all contexts searchable after {cost.WholeMilliseconds:F0} ms, a page {cost.PageMilliseconds:F0} ms"));
        return cost;
    }

    private static async Task<ReportCost> InBrowser(ReportCost cost, string address)
    {
        using IPlaywright playwright = await Playwright.CreateAsync();
        await using IBrowser browser = await playwright.Chromium.LaunchAsync(new() { ExecutablePath = "/usr/bin/chromium", Args = ["--headless", "--no-sandbox", "--disable-gpu"] });
        List<double> load = [], search = [], whole = [], page = [];
        for (int round = 0; round < Rounds; round++)
        {
            IPage tab = await browser.NewPageAsync(new() { ViewportSize = new() { Width = 1440, Height = 900 } });
            await tab.GotoAsync($"{address}#features", new() { WaitUntil = WaitUntilState.Commit });
            await tab.WaitForSelectorAsync("tr.active", new() { Timeout = 60_000 });
            load.Add(await tab.EvaluateAsync<double>("performance.getEntriesByType('navigation')[0].domContentLoadedEventEnd"));
            while (!await tab.EvaluateAsync<bool>("document.querySelector('#shown').hasAttribute('data-whole')")) await Task.Delay(20);
            whole.Add(await tab.EvaluateAsync<double>("performance.now()"));
            foreach (string word in new[] { "word17", "string", "exception" }) search.Add(await tab.EvaluateAsync<double>(Searching, word));
            await tab.EvaluateAsync<double>(Searching, "");
            for (int i = 0; i < PagesOpened; i++) page.Add(await tab.EvaluateAsync<double>(Opening, i * (cost.Features / PagesOpened)));
            await tab.CloseAsync();
        }
        return cost with { LoadMilliseconds = Median(load), SearchMilliseconds = Median(search), WholeMilliseconds = Median(whole), PageMilliseconds = Median(page) };
    }

    // Reading a height lays the page out.
    private const string Searching = "(text) => { const box = document.querySelector('#search'); const start = performance.now(); box.value = text; box.dispatchEvent(new Event('input')); document.querySelector('#rows').offsetHeight; return performance.now() - start; }";

    private const string Opening = "async (feature) => { const wait = () => new Promise((done) => setTimeout(done)); const start = performance.now(); location.hash = `#feature=${feature}`; const drawn = () => document.querySelector('#unit .evidence') && document.querySelector('#unit h2').textContent === `Feature ${feature}`; while (!drawn()) await wait(); document.querySelector('#unit').offsetHeight; return performance.now() - start; }";

    private static double Median(List<double> times) => times.Order().ElementAt(times.Count / 2);

    [GeneratedRegex("<script type=\"application/octet-stream\" id=\"([^\"]+)\">[^<]*</script>")]
    private static partial Regex Block();
}
