using Monosemantic.Metrics.Probing;
using Monosemantic.Text;

namespace Monosemantic.Tests.Metrics.Probing;

public sealed class TextTokensTests
{
    // One token for each character: what a token stands in can be read off the text.
    private static TextTokens Of(string text, string name = "file.txt:1") => new(new Document(name, text), Tokenizer.Create(CharacterVocabulary.FromText(text)));

    private static string Where(TextTokens text, Func<int, bool> holds) => string.Concat(Enumerable.Range(0, text.Count).Where(holds).Select(token => text.Text[text.Spans[token].Start]));

    private static bool[] Ask(string task, TextTokens text)
    {
        TokenTask asked = ProbeTasks.OfTokens.Single(known => known.Name == task);
        return [.. Enumerable.Range(0, text.Count).Select(token => asked.Holds(text, token))];
    }

    [Fact]
    public void Quotes_brackets_lines_and_repetitions_are_those_of_the_text()
    {
        TextTokens text = Of("a \"bc\" (d) e\n fa");
        Assert.Equal("bc\"", Where(text, token => text.Quoted[token] && text.Text[text.Spans[token].Start] != ' '));
        Assert.Equal("d)", Where(text, token => text.Bracketed[token]));
        Assert.Equal("af", Where(text, token => text.FirstOfLine[token]));
        Assert.Equal(1, text.Lines[text.Count - 1]);
        Assert.True(text.Repeated[text.Count - 1]);
        Assert.False(text.Repeated[0]);
    }

    [Fact]
    public void Questions_about_tokens_are_answered_by_the_text()
    {
        TextTokens text = Of("The 7 of It, the");
        Assert.Equal("TI", Where(text, token => Ask("capitalised", text)[token]));
        Assert.Equal("7", Where(text, token => Ask("numeric", text)[token]));
        Assert.Equal(",", Where(text, token => Ask("punctuation", text)[token]));
        Assert.Equal("ToIt", Where(text, token => Ask("word_start", text)[token]));
        Assert.Equal("Thethe", Where(text, token => Ask("determiner", text)[token]));
        Assert.Equal("of", Where(text, token => Ask("preposition", text)[token]));
        Assert.Equal("It", Where(text, token => Ask("pronoun", text)[token]));
        Assert.All(ProbeTasks.OfTokens, task => Assert.True(task.Summary.Length > 5));
    }

    [Fact]
    public void Sections_namespaces_and_kinds_are_those_of_the_documentation()
    {
        TextTokens text = Of("System.IO.File type\nWrites files.\nParameter path: where.\nReturns: nothing.\nThrows IOException: often.", "T:System.IO.File");
        string[] sections = [.. Enumerable.Range(0, text.Count).Select(text.Section).Distinct()];
        Assert.Equal(["heading", "description", "parameter", "returns", "throws"], sections);
        DocumentTask[] tasks = [.. ProbeTasks.OfDocuments(new HashSet<string> { "System.IO.File" })];
        Assert.Equal(["System.IO", "type"], tasks.Select(task => task.ClassOf(text)));
    }

    [Fact]
    public void Languages_and_sources_are_told_apart()
    {
        Assert.Equal("english", WordLists.LanguageOf("the cat and the dog that have not slept"));
        Assert.Equal("german", WordLists.LanguageOf("der Hund und die Katze, die nicht geschlafen haben, ist da"));
        Assert.Equal("french", WordLists.LanguageOf("le chien et les chats qui dorment dans une maison"));
        Assert.Null(WordLists.LanguageOf("int main(void) { return 0; }"));
        DocumentTask source = ProbeTasks.OfDocuments(null).Single(task => task.Name == "source");
        Assert.Equal("file.txt", source.ClassOf(Of("a")));
    }
}
