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

    /// <summary>
    /// From the change of the address until a feature's page is on the screen as far as the window shows it: unpacked, built, laid out
    /// and painted, the wait for the next frame included. Features far apart, so that their blocks are not unpacked yet.
    /// </summary>
    public double PageMilliseconds { get; init; }

    /// <summary>The slowest of those.</summary>
    public double WorstPageMilliseconds { get; init; }

    /// <summary>Share of them that took less than 50 ms, 0 to 1.</summary>
    public double PagesInTime { get; init; }

    /// <summary>From the change of the address until what lies below the window's edge is there as well.</summary>
    public double WholePageMilliseconds { get; init; }
}

/// <summary>Measures reports.</summary>
internal static partial class ReportBenchmark
{
    private const int Rounds = 5, PagesOpened = 30;

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
            ScanRun.Execute(new ScanConfig { Sae = sae, Activations = store, Model = SampleModelFolder.Find(), Neurons = true }, real, null);
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
        long packed = Block().Matches(html).Where(block => block.Groups[1].Value is { } id && (id.Contains("-pages-", StringComparison.Ordinal) || id.Contains("-texts-", StringComparison.Ordinal))).Sum(block => (long)block.Length);
        var cost = new ReportCost { Name = name, Features = data.Features.Length, Neurons = data.Neurons.Length, Bytes = bytes, PageBytesPerUnit = (double)packed / units, BytesPerUnitWithoutPlotly = (double)(bytes - plotly) / units };
        cost = await InBrowser(cost, new Uri(path).AbsoluteUri);
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{name}: {cost.Features:N0} features, {bytes / 1e6:F1} MB, {cost.PageBytesPerUnit:N0} bytes per unit packed, {cost.BytesPerUnitWithoutPlotly:N0} with everything but plotly.js ({plotly / 1e6:F1} MB); load {cost.LoadMilliseconds:F0} ms, search {cost.SearchMilliseconds:F0} ms, all contexts searchable after {cost.WholeMilliseconds:F0} ms, a page on the screen after {cost.PageMilliseconds:F0} ms (worst {cost.WorstPageMilliseconds:F0}; {100 * cost.PagesInTime:F1} % within 50), whole after {cost.WholePageMilliseconds:F0} ms"));
        return cost;
    }

    private static async Task<ReportCost> InBrowser(ReportCost cost, string address)
    {
        using IPlaywright playwright = await Playwright.CreateAsync();
        await using IBrowser browser = await playwright.Chromium.LaunchAsync(new() { ExecutablePath = "/usr/bin/chromium", Args = ["--headless", "--no-sandbox", "--disable-gpu"] });
        List<double> load = [], search = [], whole = [], page = [], wholePage = [];
        for (int round = 0; round < Rounds; round++)
        {
            IPage tab = await browser.NewPageAsync(new() { ViewportSize = new() { Width = 1440, Height = 900 } });
            await tab.AddInitScriptAsync(Watching);
            await tab.GotoAsync($"{address}#features", new() { WaitUntil = WaitUntilState.Commit });
            await tab.WaitForSelectorAsync("tr.active", new() { Timeout = 60_000 });
            load.Add(await tab.EvaluateAsync<double>("performance.getEntriesByType('navigation')[0].domContentLoadedEventEnd"));
            double end;
            while ((end = await tab.EvaluateAsync<double>("globalThis.whole ?? 0")) == 0) await Task.Delay(20);
            whole.Add(end);
            foreach (string word in new[] { "word17", "string", "exception" }) search.Add(await tab.EvaluateAsync<double>(Searching, word));
            await tab.EvaluateAsync<double>(Searching, "");
            for (int i = 0; i < PagesOpened; i++)
            {
                double[] times = await tab.EvaluateAsync<double[]>(Opening, i * (cost.Features / PagesOpened));
                page.Add(times[0]);
                wholePage.Add(times[1]);
            }
            await tab.CloseAsync();
        }
        return cost with { LoadMilliseconds = Median(load), SearchMilliseconds = Median(search), WholeMilliseconds = Median(whole), PageMilliseconds = Median(page), WorstPageMilliseconds = page.Max(), PagesInTime = page.Count(time => time < 50) / (double)page.Count, WholePageMilliseconds = Median(wholePage) };
    }

    // When the page says that every context can be searched, to the millisecond.
    private const string Watching = "new MutationObserver(() => { if (document.querySelector('#shown')?.hasAttribute('data-whole')) globalThis.whole ??= performance.now(); }).observe(document, { subtree: true, childList: true, attributes: true, attributeFilter: ['data-whole'] });";

    // Reading a height lays the page out.
    private const string Searching = "(text) => { const box = document.querySelector('#search'); const start = performance.now(); box.value = text; box.dispatchEvent(new Event('input')); document.querySelector('#rows').offsetHeight; return performance.now() - start; }";

    // A message sent from within a frame comes when it has been painted.
    private const string Opening = """
        async (feature) => {
          const wait = () => new Promise((done) => setTimeout(done));
          const frame = () => new Promise((done) => requestAnimationFrame(() => {
            const channel = new MessageChannel();
            channel.port1.onmessage = done;
            channel.port2.postMessage(0);
          }));
          await frame();
          const start = performance.now();
          location.hash = `#feature=${feature}`;
          const drawn = () => document.querySelector('#unit .evidence') && document.querySelector('#unit h2').textContent === `Feature ${feature}`;
          while (!drawn()) await wait();
          await frame();
          const shown = performance.now() - start;
          while (document.querySelector('#unit[aria-busy]')) await wait();
          document.querySelector('#unit').offsetHeight;
          return [shown, performance.now() - start];
        }
        """;

    private static double Median(List<double> times) => times.Order().ElementAt(times.Count / 2);

    [GeneratedRegex("<script type=\"application/octet-stream\" id=\"([^\"]+)\">[^<]*</script>")]
    private static partial Regex Block();
}
