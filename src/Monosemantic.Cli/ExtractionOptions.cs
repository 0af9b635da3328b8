using System.CommandLine;
using Monosemantic.Activations;
using Monosemantic.Runtime;
using Monosemantic.Text;

namespace Monosemantic.Cli;

/// <summary>The options that say what is extracted.</summary>
internal sealed class ExtractionOptions
{
    private readonly Option<string> model = CommonOptions.Directory("--model", "the model, with its tokenizer");
    private readonly Option<string[]> text = CommonOptions.Text();
    private readonly Option<string> textField = CommonOptions.TextField();
    private readonly Option<string> hooks = new("--hooks") { Description = "hook points, separated by commas; all are read in one pass", Required = true, HelpName = "A,B,..." };
    private readonly Option<int?> head = new("--per-head") { Description = "keep only this head of hook points that have heads, counted from 0", HelpName = "I" };
    private readonly Option<int> context = new("--context") { Description = "tokens per context", DefaultValueFactory = _ => 128, HelpName = "N" };
    private readonly Option<long> rows = new("--rows") { Description = "rows to store, 0 for all", DefaultValueFactory = _ => 0, HelpName = "N" };
    private readonly Option<StoreDtype> dtype = new("--dtype") { Description = "how numbers are stored", DefaultValueFactory = _ => StoreDtype.F16 };
    private readonly Option<BosPolicy> bos = new("--bos") { Description = "where a beginning-of-sequence token is put", DefaultValueFactory = _ => BosPolicy.Always };
    private readonly Option<bool> pack = new("--pack") { Description = "let documents follow each other in one context (the default)" };
    private readonly Option<bool> single = new("--one-document-per-context") { Description = "do not pack documents into contexts" };
    private readonly Option<SeparatorPolicy> separator = new("--separator") { Description = "what stands between two documents of one context", DefaultValueFactory = _ => SeparatorPolicy.Token };
    private readonly Option<bool> special = new("--exclude-special")
    {
        Description = "give beginning-of-sequence tokens, separators and other special tokens no row; say false to keep them",
        DefaultValueFactory = _ => true,
        HelpName = "true|false",
    };
    private readonly Option<string?> positions = new("--positions") { Description = "give rows only to these places of a context, counted from 0, the last not included", HelpName = "A..B" };
    private readonly Option<double> outliers = new("--exclude-outliers") { Description = "leave out rows whose norm is over this many times the median; 0 for none", HelpName = "M" };
    private readonly Option<long> seed = CommonOptions.Seed();
    private readonly Option<string[]> set = CommonOptions.Set();

    internal ExtractionOptions()
    {
        dtype.AcceptOnlyFromAmong("f32", "f16", "bf16", "int8");
        bos.AcceptOnlyFromAmong("always", "never", "document");
        separator.AcceptOnlyFromAmong("token", "none");
    }

    internal IEnumerable<Option> All => [model, text, textField, hooks, head, context, rows, dtype, bos, pack, single, separator, special, positions, outliers, seed, set];

    internal ExtractionConfig Read(ParseResult parsed)
    {
        if (parsed.GetValue(pack) && parsed.GetValue(single)) throw new UserErrorException("--pack and --one-document-per-context exclude each other", "give one of them");
        var config = new ExtractionConfig
        {
            Model = parsed.GetRequiredValue(model),
            Text = [.. parsed.GetRequiredValue(text)],
            TextField = parsed.GetRequiredValue(textField),
            Hooks = [.. parsed.GetRequiredValue(hooks).Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries)],
            PerHead = parsed.GetValue(head),
            Context = parsed.GetValue(context),
            Rows = parsed.GetValue(rows),
            Dtype = parsed.GetValue(dtype),
            Bos = parsed.GetValue(bos),
            Pack = !parsed.GetValue(single),
            Separator = parsed.GetValue(separator),
            ExcludeInserted = parsed.GetValue(special),
            ExcludeSpecial = parsed.GetValue(special),
            Positions = parsed.GetValue(positions),
            ExcludeOutliers = parsed.GetValue(outliers),
            Seed = parsed.GetValue(seed),
        };
        return RunFile.Override(config, parsed.GetValue(set) ?? []);
    }
}
