# What Redmine makes of texts in its markup, by its own renderer with all its links and macros.
# Run by `rails runner`; CASES names a JSON file of {source, text, elements, own_links}.
require "json"

User.current = User.find_by!(login: "person")
project = Project.find("findings")
renderer = ApplicationController.renderer.new(http_host: "redmine.example.com")
squeeze = ->(text) { text.gsub(/[\s\u00a0]+/, "") }
wrong = 0
cases = JSON.parse(File.read(ENV["CASES"]))
# One page of all texts: a page each would take minutes.
template = "<% @cases.each do |one| %><section><%= textilizable(one['source'], project: @project) %></section><% end %>"
cases.each_slice(200) do |slice|
  html = renderer.render(inline: template, assigns: { cases: slice, project: project })
  sections = Nokogiri::HTML.fragment(html).children.select { |child| child.name == "section" }
  abort "#{sections.size} sections of #{slice.size}" if sections.size != slice.size
  slice.zip(sections) do |one, section|
    elements = section.css("*").map(&:name).uniq - one["elements"]
    anchors = section.css("a").reject { |a| a["class"] == "wiki-anchor" }
    links = anchors.map { |a| a["href"] }.compact.reject { |href| one["own_links"] && href.start_with?("https://example.com/") }
    section.css("a.wiki-anchor").remove
    text = squeeze.(section.text)
    next if elements.empty? && links.empty? && (one["text"].nil? || text == squeeze.(one["text"]))
    wrong += 1
    next if wrong > 12
    puts "wrong: #{one['source'].inspect}", "  html: #{section.inner_html.inspect}", "  elements: #{elements}, links: #{links}"
    puts "  text: #{text.inspect}", "  not:  #{squeeze.(one['text']).inspect}" if one["text"] && text != squeeze.(one["text"])
  end
end
puts "#{cases.size} texts, #{wrong} wrong"
exit(wrong.zero? ? 0 : 1)
