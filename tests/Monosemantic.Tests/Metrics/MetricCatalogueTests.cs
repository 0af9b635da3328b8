using Monosemantic.Metrics;

namespace Monosemantic.Tests.Metrics;

public sealed class MetricCatalogueTests
{
    [Fact]
    public void Every_number_has_one_name_and_its_definition_stands_in_the_documentation()
    {
        string documentation = File.ReadAllText(Path.Combine(Repository.Root, "src", "Monosemantic", "Metrics", "README.md"));
        Assert.Equal(MetricCatalogue.All.Length, MetricCatalogue.All.Select(metric => metric.Definition.Name).Distinct().Count());
        Assert.All(MetricCatalogue.All, metric => Assert.Contains($"| `{metric.Definition.Name}` | {metric.Definition.Unit} | {metric.Definition.Better.ToString().ToLowerInvariant()} | {metric.Definition.Formula.Replace("|", "\\|")} |", documentation));
    }
}
