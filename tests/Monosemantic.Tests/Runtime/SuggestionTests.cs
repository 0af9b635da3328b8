using Monosemantic.Runtime;

namespace Monosemantic.Tests.Runtime;

public sealed class SuggestionTests
{
    [Theory]
    [InlineData("trian", "train")]
    [InlineData("extrakt", "extract")]
    [InlineData("tr", null)]
    [InlineData("convert", null)]
    public void The_nearest_name_is_suggested_if_it_is_near(string given, string? expected) =>
        Assert.Equal(expected, Suggestion.Nearest(given, ["train", "extract", "eval", "scan"]));

    [Theory]
    [InlineData("", "abc", 3)]
    [InlineData("kitten", "sitting", 3)]
    [InlineData("ab", "ba", 1)]
    [InlineData("same", "same", 0)]
    public void Distance_counts_the_edits(string from, string to, int edits)
    {
        Assert.Equal(edits, Suggestion.Distance(from, to));
        Assert.Equal(edits, Suggestion.Distance(to, from));
    }
}
