using System.Diagnostics;
using Microsoft.Playwright;

namespace Monosemantic.Tests;

/// <summary>
/// The system's Chromium, headless, with a fresh profile and nothing of its own on the network. Collects what a page must not
/// do: requests beyond the file opened, and errors in the console.
/// </summary>
public sealed class Browser : IAsyncDisposable
{
    private static readonly string[] Arguments =
    [
        "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
        "--disable-background-networking", "--disable-component-update", "--disable-sync",
    ];

    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    private readonly IPlaywright _playwright;
    private readonly IBrowserContext _context;
    private readonly string _profile;

    private Browser(IPlaywright playwright, IBrowserContext context, string profile)
    {
        (_playwright, _context, _profile) = (playwright, context, profile);
        Page = context.Pages[0];
        Page.Request += (_, request) => Requests.Add(request.Url);
        Page.PageError += (_, error) => Errors.Add(error);
        Page.Console += (_, message) =>
        {
            if (message.Type is "error" or "warning") Errors.Add(message.Text);
        };
        Page.Dialog += async (_, dialog) =>
        {
            Errors.Add($"dialog: {dialog.Message}");
            await dialog.DismissAsync();
        };
    }

    /// <summary>The one page.</summary>
    public IPage Page { get; }

    /// <summary>Addresses that pages asked for.</summary>
    public List<string> Requests { get; } = [];

    /// <summary>Uncaught errors, dialogs, and errors and warnings of the console.</summary>
    public List<string> Errors { get; } = [];

    /// <summary>Where Chromium is; null if it is not installed.</summary>
    public static string? Executable => (Environment.GetEnvironmentVariable("PATH") ?? "").Split(Path.PathSeparator)
        .Prepend("/usr/bin").SelectMany(folder => new[] { Path.Combine(folder, "chromium"), Path.Combine(folder, "chromium-browser") })
        .FirstOrDefault(File.Exists);

    /// <summary>Skips the test with the reason where there is no Chromium.</summary>
    public static void SkipWithoutChromium() => Assert.SkipWhen(Executable is null, "Chromium is not installed (Debian: apt-get install chromium)");

    /// <summary>Starts Chromium, or skips the test with the reason where there is none.</summary>
    public static async Task<Browser> LaunchAsync()
    {
        SkipWithoutChromium();
        string profile = Directory.CreateTempSubdirectory("monosemantic-chromium-").FullName;
        IPlaywright playwright = await Playwright.CreateAsync();
        IBrowserContext context = await playwright.Chromium.LaunchPersistentContextAsync(profile, new()
        {
            ExecutablePath = Executable,
            Args = Arguments,
            ViewportSize = new() { Width = 1440, Height = 900 },
            Env = new Dictionary<string, string> { ["HOME"] = profile, ["PATH"] = Environment.GetEnvironmentVariable("PATH") ?? "" },
        });
        return new(playwright, context, profile);
    }

    /// <summary>Opens a file from disk, with an anchor such as <c>#feature=3</c> if given, whose page is then drawn to its end.</summary>
    public async Task OpenAsync(string path, string anchor = "")
    {
        // A change of anchor alone would not load the file again.
        await Page.GotoAsync("about:blank");
        Requests.Clear();
        await Page.GotoAsync(new Uri(path).AbsoluteUri + anchor);
        if (anchor.Contains('=')) await WaitUntilAsync("document.querySelector('#unit:not([aria-busy])')?.textContent.trim().length > 0");
    }

    /// <summary>The texts of all elements that a selector finds.</summary>
    public Task<IReadOnlyList<string>> TextsAsync(string selector) => Page.Locator(selector).AllTextContentsAsync();

    /// <summary>Runs an expression in the page.</summary>
    public Task<T> EvaluateAsync<T>(string expression) => Page.EvaluateAsync<T>(expression);

    /// <summary>
    /// Waits until an expression holds in the page. It is asked for from here each time: the waiting of Playwright itself runs
    /// in the page, where the policy of the reports forbids it to evaluate text.
    /// </summary>
    public async Task WaitUntilAsync(string expression)
    {
        var waited = Stopwatch.StartNew();
        while (!await EvaluateAsync<bool>(expression))
        {
            if (waited.Elapsed > Patience) throw new TimeoutException($"after {Patience.TotalSeconds} s this still does not hold in {Page.Url}: {expression}");
            await Task.Delay(20, TestContext.Current.CancellationToken);
        }
    }

    /// <summary>Keeps a picture of what is shown, in the folder that MONOSEMANTIC_SCREENSHOTS names, if it does.</summary>
    public async Task PictureAsync(string name)
    {
        if (Environment.GetEnvironmentVariable("MONOSEMANTIC_SCREENSHOTS") is { Length: > 0 } folder)
            await Page.ScreenshotAsync(new() { FullPage = true, Path = Path.Combine(folder, $"{name}.png") });
    }

    public async ValueTask DisposeAsync()
    {
        await _context.CloseAsync();
        _playwright.Dispose();
        try
        {
            Directory.Delete(_profile, recursive: true);
        }
        catch (IOException)
        {
            // A helper process of Chromium may still be writing its last file.
        }
    }
}
