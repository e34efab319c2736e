set terminal svg size 720,614 dynamic enhanced font "sans,13" background rgb "white"
set encoding utf8
set xlabel "count" noenhanced
set ylabel "main.test.accuracy (%)" noenhanced
set grid lc rgb "#cccccc"
set border 3
set tics nomirror
set key below noenhanced height 1.5
set title "main.test.accuracy (%) against count, mean ± 95 % interval over 5 seeds" noenhanced
set xrange [11.4:24.6]
set xtics ("12" 12.0, "24" 24.0) noenhanced
$line0 << EOD
12.0 52.14 1.3274776083646824
24.0 44.74 1.1467760244369267
EOD
$line1 << EOD
12.0 51.92 1.2825854201153737
24.0 45.86 1.517169113929618
EOD
$line2 << EOD
12.0 52.14 1.3274776083646824
24.0 44.74 1.1467760244369267
EOD
$line3 << EOD
12.0 51.6 2.044036913272319
24.0 37.74 11.323880360059535
EOD
$line4 << EOD
12.0 52.18000000000001 1.0909698263398941
24.0 46.02 2.5977201453146486
EOD
$line5 << EOD
12.0 50.94 0.768428521424565
24.0 42.54 1.037365499780999
EOD
plot $line0 using ($1+(-0.4800000000000001)):2:3 with yerrorlines lw 2 pt 7 ps 0.5 dt 1 lc rgb "#0072B2" title "relevance", \
     $line1 using ($1+(-0.28800000000000003)):2:3 with yerrorlines lw 2 pt 7 ps 0.5 dt 2 lc rgb "#D55E00" title "relevance, classWeights false", \
     $line2 using ($1+(-0.096)):2:3 with yerrorlines lw 2 pt 7 ps 0.5 dt 3 lc rgb "#009E73" title "relevance, place output", \
     $line3 using ($1+(0.096)):2:3 with yerrorlines lw 2 pt 7 ps 0.5 dt 4 lc rgb "#CC79A7" title "l1", \
     $line4 using ($1+(0.2880000000000001)):2:3 with yerrorlines lw 2 pt 7 ps 0.5 dt 5 lc rgb "#E69F00" title "taylor", \
     $line5 using ($1+(0.4800000000000001)):2:3 with yerrorlines lw 2 pt 7 ps 0.5 dt 1 lc rgb "#56B4E9" title "random"
