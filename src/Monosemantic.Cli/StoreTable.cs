using System.Text.Json;
using Monosemantic.Activations;

namespace Monosemantic.Cli;

/// <summary>Activation stores as printed tables.</summary>
internal static class StoreTable
{
    /// <summary>Bytes of a store's shards.</summary>
    internal static long Bytes(StoreManifest manifest) => manifest.Shards.Sum(shard => shard.Bytes + shard.RowsBytes);

    /// <summary>A number of bytes for people.</summary>
    internal static string Size(long bytes) => bytes < 10_000_000 ? $"{bytes / 1e6:N2} MB" : $"{bytes / 1e6:N0} MB";

    internal static IEnumerable<(string Label, string Value)> Rows(ActivationStore store)
    {
        StoreManifest manifest = store.Manifest;
        StorePlan plan = manifest.Plan;
        yield return ("rows", $"{manifest.Rows:N0} ({store.RowCount(StoreSplit.Training):N0} training, {manifest.HeldOutRows:N0} held out)");
        if (plan.Outliers is { } outliers) yield return ("outliers left out", $"{manifest.OutlierRows:N0} over {outliers.TimesMedian} x the median norm of {string.Join(", ", outliers.Sites.Select(site => $"{site.MedianNorm:G4} at {site.HookPoint}"))}");
        yield return ("hook point", plan.Heads is { } heads ? $"{plan.HookPoint}, {(heads.Only is { } one ? $"head {one} of {heads.Count}" : $"{heads.Count} heads")} x {heads.DHead}" : plan.HookPoint);
        yield return ("kept as", $"{plan.Dtype.ToString().ToLowerInvariant()}, {plan.DModel} wide, {Size(Bytes(manifest))} in {manifest.Shards.Length:N0} shards");
        yield return ("model", $"{plan.Model.Name} {Short(plan.Model.Sha256)}");
        yield return ("tokenizer", Short(plan.TokenizerSha256));
        yield return ("text", $"{plan.Corpus.Source} {plan.Corpus.Version}".TrimEnd() + $" {Short(plan.Corpus.Sha256)}, {plan.Corpus.Documents:N0} documents");
        yield return ("tokens", Policy(plan.Tokens));
        yield return ("norms", $"mean {manifest.Statistics.MeanNorm:G6}, of training rows {manifest.TrainingStatistics?.MeanNorm.ToString("G6") ?? "none"}; root mean square {Math.Sqrt(manifest.Statistics.MeanSquaredNorm):G6}");
        yield return ("written by", plan.CodeVersion);
        yield return ("sha256", store.Sha256);
    }

    internal static void PrintSample(ActivationStore store, IReadOnlyList<SampledRow> rows)
    {
        Console.Out.WriteLine(store.ToString());
        Console.Out.WriteLine($"  {"document",10} {"position",9} {"token",8} {"norm",10}  text");
        foreach (SampledRow row in rows) Console.Out.WriteLine($"  {row.Document,10} {row.Position,9} {row.Token,8} {row.Norm,10:G6}  {(row.Text is null ? "" : JsonSerializer.Serialize(row.Text, Runtime.JsonFile.Options))}");
    }

    private static string Short(string sha256) => sha256.Length == 0 ? "(not known)" : sha256[..Math.Min(12, sha256.Length)];

    private static string Policy(TokenPolicy policy)
    {
        string kept = string.Join(" and ", new[] { policy.ExcludeInserted ? "no inserted" : null, policy.ExcludeSpecial ? "no special" : null }.OfType<string>());
        return $"contexts of {policy.Context}, bos {policy.Bos.ToString().ToLowerInvariant()}, {(policy.Pack ? $"packed (separator {policy.Separator.ToString().ToLowerInvariant()})" : "one document each")}"
            + (kept.Length > 0 ? $", {kept} tokens" : ", all tokens") + (policy.Positions is { } places ? $", places {places}" : "");
    }
}
